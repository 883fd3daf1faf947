/**
 * Rule `habits`: nothing that silences the compiler, nothing left over from work.
 *
 * Keeps true: no `any`, no assertion that a value is not null, no way around a type, no order to the compiler to look
 * away, no note of work to be done, no test that runs alone, and no printing outside the programs.
 *
 * @module
 */
import { isAnyType } from "./any_type.ts";
import type { Finding, Source } from "./source.ts";
import { expectsValue, type Token } from "./tokens.ts";

const COMPILER_ORDER = /@ts-(?:ignore|expect-error|nocheck)\b/u;
/** The name of the file that holds such notes is no such note. */
const NOTE = /\b(?:TODO|FIXME)\b(?!\.md)/u;
const MAY_PRINT = /^(?:cmd|tools|tests|benches)\//u;

/** Whether the tokens from `at` on are these words and signs. */
function says(code: readonly Token[], at: number, text: string): boolean {
  return text.split(" ").every((part, i) => code[at + i]?.text === part);
}

/** `x!`, and `x!: T` in a declaration; the compiler too wants it on the line of what it follows. */
function isPostfix(code: readonly Token[], at: number): boolean {
  const before = code[at - 1];
  if (code[at]?.text !== "!" || before === undefined || before.line !== code[at]?.line) return false;
  switch (before.kind) {
    case "word":
      return code[at - 2]?.text === "." || !expectsValue(before.text);
    case "template":
      return before.text.endsWith("`");
    case "sign":
      return [")", "]", "}"].includes(before.text);
    default:
      return true;
  }
}

function objectionTo(path: string, code: readonly Token[], at: number): string | null {
  const token = code[at];
  if (token?.kind === "word") {
    if (isAnyType(code, at)) return "any: say which type, or unknown";
    if (NOTE.test(token.text)) return `${token.text} belongs into the project's list, not into the code`;
    if (says(code, at, "as unknown as")) return "as unknown as: no type follows from this";
    if (says(code, at, "console . log") && !MAY_PRINT.test(path)) return "console.log outside the programs";
  }
  if (isPostfix(code, at)) return "!: say why it is not null, with must() or a check";
  if (says(code, at, ". only (")) return ".only( leaves the other tests out";
  return null;
}

export function checkHabits({ path, code, comments }: Source): readonly Finding[] {
  const inCode = code.flatMap(({ line }, at) => {
    const what = objectionTo(path, code, at);
    return what === null ? [] : [{ path, line, rule: "habits", what }];
  });
  const inComments = comments.flatMap((comment) =>
    comment.text.split("\n").flatMap((text, i) =>
      [COMPILER_ORDER, NOTE].flatMap((pattern) => {
        const found = pattern.exec(text)?.[0];
        const what = `${found} in a comment`;
        return found === undefined ? [] : [{ path, line: comment.line + i, rule: "habits", what }];
      })
    )
  );
  return [...inCode, ...inComments];
}
