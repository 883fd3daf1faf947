/**
 * Kind: unit (a table) and property (random patterns against a second implementation).
 *
 * Invariant: a pattern matches what it matches in Redis, byte by byte, and never takes more time than pattern times key.
 *
 * Learnt: the second implementation is Redis's own (`stringmatchlen` of util.c) written as the recursion that it is. It differs in one
 * place on purpose: there the loop ends as soon as the text does, so that `**` does not match an empty text.
 */
import { assertEquals, assertLess } from "@std/assert";
import { matchesGlob } from "../../internal/base/glob.ts";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { SeededRandom } from "../../internal/base/random.ts";

function matches(pattern: string, text: string): boolean {
  return matchesGlob(bytesOfLatin1(pattern), bytesOfLatin1(text));
}

/** A pattern, what it matches and what it does not, blank-separated; `_` is the empty text. */
const TABLE: readonly (readonly [pattern: string, yes: string, no: string])[] = [
  ["hello", "hello", "hell hello! Hello _"],
  ["h?llo", "hello hallo h?llo", "hllo heello"],
  ["h*llo", "hllo heeeello h*llo hlllo", "hell ohllo"],
  ["h[ae]llo", "hello hallo", "hillo hllo h[ae]llo"],
  ["h[^e]llo", "hallo hbllo h^llo", "hello hllo"],
  ["h[a-b]llo", "hallo hbllo", "hcllo h-llo"],
  ["h[b-a]llo", "hallo hbllo", "hcllo"],
  ["h[a-bx-z]llo", "hbllo hyllo", "hcllo hwllo"],
  ["h[^a-c]llo", "hdllo", "hallo hbllo hcllo"],
  ["", "_", "a"],
  ["*", "_ a abc", ""],
  ["**", "_ a abc", ""],
  ["?", "a *", "_ ab"],
  ["*?", "a ab", "_"],
  ["?*?", "ab abc", "_ a"],
  ["a*b*c", "abc aXbYc abbc acbc", "ab acb ab*"],
  ["*ab", "ab aab abab", "aba b"],
  ["*a*", "a bab", "_ bbb"],
  ["\\*", "*", "a \\* _"],
  ["\\?", "?", "a"],
  ["\\[a]", "[a]", "a \\a"],
  ["\\a", "a", "\\a b"],
  ["a\\", "a\\", "a"],
  ["\\\\", "\\", "\\\\"],
  ["[\\]]", "]", "\\ \\]"],
  ["[\\-a]", "- a", "\\ b"],
  ["[\\a-c]", "a - c", "b"],
  ["[]", "", "[] [ ] _"],
  ["[]a]", "", "]a] a ]"],
  ["[^]", "a ^ ]", "_ ab"],
  ["[a-", "a -", "b"],
  ["[a", "a", "b [a ab"],
  ["[", "", "[ a _"],
  ["[^", "a ^", "_ ab"],
  ["[a-]", "^ ]", "- Z b"],
  ["[*?]", "* ?", "a"],
  ["[[]", "[", "]"],
  ["]", "]", "a"],
  ["a-c", "a-c", "b"],
  ["^a", "^a", "a b"],
  ["[!a]", "! a", "b"],
  ["*[", "", "[ a["],
];

const words = (text: string) => text === "" ? [] : text.split(" ").map((word) => word === "_" ? "" : word);

Deno.test("what matches and what does not, as in Redis", () => {
  for (const [pattern, yes, no] of TABLE) {
    for (const text of words(yes)) assertEquals(matches(pattern, text), true, `${pattern} matches "${text}"`);
    for (const text of words(no)) assertEquals(matches(pattern, text), false, `${pattern} leaves "${text}"`);
  }
});

Deno.test("bytes are compared as bytes, also those that are no characters", () => {
  for (let byte = 0; byte < 256; byte++) {
    const text = String.fromCharCode(byte);
    assertEquals(matches("?", text), true);
    assertEquals(matches(`\\${text}`, text), true);
    assertEquals(matches(`[\\${text}]`, text), true);
    assertEquals(matches(`[^\\${text}]`, text), false);
    assertEquals(matches("[\x80-\xff]", text), byte >= 128);
  }
});

/** `stringmatchlen` as Redis has it, on the rest of pattern and text. */
function redisMatches(pattern: string, text: string): boolean {
  const [first] = pattern;
  if (first === undefined) return text === "";
  if (first === "*") {
    return redisMatches(pattern.slice(1), text) || (text !== "" && redisMatches(pattern, text.slice(1)));
  }
  const [letter] = text;
  if (letter === undefined) return false;
  const rest = text.slice(1);
  if (first === "?") return redisMatches(pattern.slice(1), rest);
  if (first === "\\" && pattern.length >= 2) {
    return pattern[1] === letter && redisMatches(pattern.slice(2), rest);
  }
  if (first !== "[") return first === letter && redisMatches(pattern.slice(1), rest);
  let left = pattern.slice(1);
  const negated = left.startsWith("^");
  if (negated) left = left.slice(1);
  let found = false;
  while (left !== "" && !left.startsWith("]")) {
    if (left.length >= 2 && left.startsWith("\\")) {
      found ||= left[1] === letter;
      left = left.slice(2);
    } else if (left.length >= 3 && left[1] === "-") {
      const [low, high] = [left[0] ?? "", left[2] ?? ""].sort();
      found ||= letter >= (low ?? "") && letter <= (high ?? "");
      left = left.slice(3);
    } else {
      found ||= left[0] === letter;
      left = left.slice(1);
    }
  }
  return found !== negated && redisMatches(left.slice(1), rest);
}

Deno.test("random patterns match what Redis's algorithm says", () => {
  const random = new SeededRandom("glob");
  const draw = (alphabet: string, lengthMax: number) =>
    Array.from({ length: random.between(0, lengthMax) }, () => alphabet[random.below(alphabet.length)]).join(
      "",
    );
  let matched = 0;
  for (let i = 0; i < 60_000; i++) {
    const pattern = draw("aabc**?[]]^-\\", 7);
    const text = draw("aabc*]^-\\", 5);
    const expected = redisMatches(pattern, text);
    if (expected) matched++;
    assertEquals(matches(pattern, text), expected, `${pattern} and "${text}"`);
  }
  // A generator that hardly ever matches would prove nothing.
  assertLess(3000, matched);
});

Deno.test("many stars end in time: backtracking goes to the last star only", () => {
  // Backtracking to every star would take 2,000 over 30 ways, and this test would not end.
  const text = "a".repeat(2000);
  assertEquals(matches("a*".repeat(30) + "b", text), false);
  assertEquals(matches("*".repeat(2000) + "b", text), false);
  assertEquals(matches("*a".repeat(30), text), true);
});
