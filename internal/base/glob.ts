/**
 * Patterns for keys, as in Redis: `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, and `\` before a character that stands for itself.
 *
 * Keeps true: time is at most proportional to pattern times key; a row of stars costs no more than one.
 *
 * @module
 */

export function matchesGlob(pattern: Uint8Array, text: Uint8Array): boolean {
  let p = 0;
  let t = 0;
  let starAt = -1;
  let starText = 0;
  while (t < text.length) {
    if (pattern[p] === STAR) {
      starAt = p++;
      starText = t;
      continue;
    }
    const end = p < pattern.length ? matchOne(pattern, p, text[t] ?? 0) : -1;
    if (end >= 0) {
      p = end;
      t++;
    } else if (starAt >= 0) {
      // Let the last star take one character more, and try again from there.
      p = starAt + 1;
      t = ++starText;
    } else return false;
  }
  while (pattern[p] === STAR) p++;
  return p >= pattern.length;
}

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const CLOSE = 93;
const CARET = 94;
const DASH = 45;
const BACKSLASH = 92;

/** Where the pattern goes on after this character matched its next item; -1 where it does not. */
function matchOne(pattern: Uint8Array, p: number, byte: number): number {
  const first = pattern[p];
  if (first === QUESTION) return p + 1;
  if (first === BACKSLASH && p + 1 < pattern.length) return pattern[p + 1] === byte ? p + 2 : -1;
  if (first !== OPEN) return first === byte ? p + 1 : -1;
  let at = p + 1;
  const negated = pattern[at] === CARET;
  if (negated) at++;
  let found = false;
  while (at < pattern.length && pattern[at] !== CLOSE) {
    const low = pattern[at] ?? 0;
    if (low === BACKSLASH && at + 1 < pattern.length) {
      if (pattern[at + 1] === byte) found = true;
      at += 2;
    } else if (pattern[at + 1] === DASH && at + 2 < pattern.length) {
      const high = pattern[at + 2] ?? 0;
      if (byte >= Math.min(low, high) && byte <= Math.max(low, high)) found = true;
      at += 3;
    } else {
      if (low === byte) found = true;
      at++;
    }
  }
  // A class that is not closed ends with the pattern, as in Redis.
  return found !== negated ? Math.min(at + 1, pattern.length) : -1;
}
