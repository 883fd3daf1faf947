/**
 * Whether a word `any` is the type, or the name of something.
 *
 * Keeps true: a variable, a property or a method called `any` is let pass; the type is found where annotations, type
 * arguments, unions, assertions and aliases put it. What only a parser could tell is left to the linter's own rule.
 *
 * @module
 */
import type { Token } from "./tokens.ts";

/** After these a name of a value is rare enough. */
const BEFORE_TYPES = new Set(["as", "<", "|", "&", "=>", "is", "extends", "keyof", "readonly", "satisfies"]);
const OPENING = new Set(["(", "[", "{"]);
const CLOSING = new Set([")", "]", "}"]);

/** Whether the colon there is the second half of `a ? b : c` between values. */
function isChoice(code: readonly Token[], colon: number): boolean {
  let depth = 0;
  let isQuestion = false;
  for (let at = colon - 1; at >= 0; at--) {
    const text = code[at]?.text ?? "";
    if (CLOSING.has(text)) depth++;
    else if (OPENING.has(text) && depth-- === 0) break;
    if (depth > 0) continue;
    if (text === ";" || text === ",") break;
    if (text === "extends") return false;
    // `a?: any` is an annotation.
    if (text === "?" && at < colon - 1) isQuestion = true;
  }
  return isQuestion;
}

export function isAnyType(code: readonly Token[], at: number): boolean {
  const token = code[at];
  if (token?.kind !== "word" || token.text !== "any") return false;
  const before = code[at - 1]?.text ?? "";
  const after = code[at + 1]?.text;
  if (before === "." || before === "?.") return false;
  if (BEFORE_TYPES.has(before)) return true;
  if (after === "[" && code[at + 2]?.text === "]") return true;
  if (before === ":") return !isChoice(code, at - 1);
  if (before === "=") return after === ">" || code[at - 3]?.text === "type";
  return before === "," && (after === ">" || after === ",");
}
