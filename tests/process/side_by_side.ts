/**
 * Steps of a test that mostly wait, a few at a time. RAFTLINE_ROW=N19 runs those alone whose name has that in it.
 *
 * @module
 */
import process from "node:process";

export interface Step {
  readonly name: string;
  readonly fn: () => Promise<void>;
  readonly ignore?: boolean;
}

/** Runs the steps, `width` of them at a time; one that fails does not stop the others. */
export async function sideBySide(
  test: Deno.TestContext,
  width: number,
  steps: readonly Step[],
): Promise<void> {
  const only = process.env["RAFTLINE_ROW"] ?? "";
  const waiting = steps.filter(({ name }) => name.includes(only));
  const lane = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      // What one step opens while another one ends is no leak.
      await test.step({ ...step, sanitizeOps: false, sanitizeResources: false, sanitizeExit: false });
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** For a test that has steps side by side. */
export const unsanitized = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false } as const;
