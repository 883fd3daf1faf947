/**
 * What must hold, in production too.
 *
 * An assertion speaks about our own code, never about input from outside: a peer, a client, a file or an operator can
 * never make one fail. A failed assertion stops the process before it can answer anybody (exit code 70).
 *
 * @module
 */

/** A belief of ours that turned out false. Never caught on its way to the top of the process. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * Says what must hold here.
 *
 * @throws {AssertionError} if it does not
 */
export function assert(condition: boolean, belief: string): asserts condition {
  if (!condition) throw new AssertionError(belief);
}

/**
 * Says that this place cannot be reached; the type checker proves it where the switch above is complete.
 *
 * @throws {AssertionError} always
 */
export function assertNever(value: never, belief: string): never {
  throw new AssertionError(`${belief}: ${JSON.stringify(value)}`);
}

/** Gives the value back, after saying that it is there. Use where an index or a lookup cannot miss. */
export function must<T>(value: T | undefined | null, belief: string): T {
  if (value === undefined || value === null) throw new AssertionError(belief);
  return value;
}
