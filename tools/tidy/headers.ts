/**
 * Rule `headers`: a file says what it is before it is it.
 *
 * Keeps true: every source file begins with a comment that has words in it, and the first line of a test file's names its
 * kind.
 *
 * @module
 */
import type { Finding, Source } from "./source.ts";

const KIND = /\b(?:unit|integration|property|chaos)\b/iu;

/** The first line with words of a comment. */
function firstLineOf(comment: string): string {
  return comment.split("\n").find((line) => /\w/u.test(line)) ?? "";
}

export function checkHeaders({ path, header }: Source): readonly Finding[] {
  const finding = (what: string) => [{ path, line: 1, rule: "headers", what }];
  if (/^(?:internal|cmd|tools|deps)\//u.test(path) && !/\w/u.test(header)) {
    return finding("no comment at the beginning says what the file keeps true");
  }
  if (/^tests\/.*_test\.ts$/u.test(path) && !KIND.test(firstLineOf(header))) {
    return finding("the first line names no kind: unit, integration, property or chaos");
  }
  return [];
}
