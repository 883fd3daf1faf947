/**
 * Kind: unit, property (random bad histories).
 *
 * Invariant: the page needs nothing but itself and shows nothing as markup that came from a history; in its picture every point stands within its
 * bar, the points stand from left to right in their order, and just one bar cannot be placed. The text for a terminal has one
 * line for each thing, whatever bytes a value has.
 *
 * Learnt: looked at in a browser, a point in the middle of a bar covered its text; now it stands on the lower edge. A write whose answer is impossible
 * may have a point all the same, where others were told of its effect.
 */
import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { defaultLimits } from "./budget.ts";
import { checkHistory, type KeyHistory } from "./check.ts";
import { explain, type Explanation } from "./explain.ts";
import { historyOf } from "./notation.ts";
import type { Operation } from "./operation.ts";
import { pageOf } from "./page.ts";
import { alphabets, oneChanged, smallHistory } from "./random_history.ts";
import { explanationLines, headline, shownOperation } from "./words.ts";

const nameOf = (place: number) => `line ${place + 1}`;

function failure(history: readonly Operation[]): readonly [KeyHistory, Explanation] | null {
  const [first] = checkHistory(history).failing;
  return first === undefined ? null : [first, explain(first, defaultLimits)];
}

function pageFor(history: readonly Operation[]): string | null {
  const found = failure(history);
  return found === null ? null : pageOf("history.jsonl", found[1], found[0].operations, nameOf);
}

interface DrawnBar {
  readonly kind: string;
  readonly from: number;
  readonly to: number;
  /** Its point and number, if it is placed. */
  readonly point: number | null;
  readonly number: number | null;
}

function barsOf(page: string): readonly DrawnBar[] {
  return [...page.matchAll(/<g class="(\w+)">.*?<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)".*?<\/g>/g)]
    .map(
      ([group, kind = "", x, width]) => {
        const point = /<circle cx="([\d.]+)"/.exec(group)?.[1];
        const number = /class="number"[^>]*>(\d+)</.exec(group)?.[1];
        return {
          kind,
          from: Number(x),
          to: Number(x) + Number(width),
          point: point === undefined ? null : Number(point),
          number: number === undefined ? null : Number(number),
        };
      },
    );
}

Deno.test("points stand within their bars and in their order, and one operation cannot be placed", () => {
  let count = 0;
  for (const [name, alphabet] of Object.entries(alphabets)) {
    for (let seed = 0; seed < 150; seed++) {
      const random = new SeededRandom(`page/${name}/${seed}`);
      const small = smallHistory(random, alphabet, random.between(4, 40), random.between(2, 7));
      const page = pageFor(oneChanged(random, small, alphabet));
      if (page === null) continue;
      count++;
      const where = `seed page/${name}/${seed}`;
      const bars = barsOf(page);
      assertEquals(bars.filter(({ kind }) => kind === "impossible").length, 1, where);
      const placed = bars.filter(({ number }) => number !== null)
        .toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0));
      let last = 0;
      for (const { from, to, point } of placed) {
        assert(point !== null && point >= from && point <= to, where);
        assert(point > last, where);
        last = point;
      }
      for (const { kind, number } of bars) if (kind === "placed") assert(number !== null, where);
    }
  }
  assertGreater(count, 150);
});

Deno.test("what a history says is text on the page", () => {
  const nasty = `<script>alert("x")</script>`;
  const page = pageFor(
    historyOf(`c1 0-1 SET a = OK \n c1 2-3 GET = b \n c2 0-? SET x`).map((one) =>
      one.op === "GET" ? { ...one, key: nasty, result: nasty } : { ...one, key: nasty }
    ),
  );
  assert(page !== null);
  assert(!page.includes("<script>alert"));
  assertEquals(page.match(/<script>/g)?.length, 1);
  assertStringIncludes(page, "&lt;script&gt;alert(\\&quot;x\\&quot;)&lt;/script&gt;");
});

Deno.test("the page needs nothing but itself", () => {
  const page = pageFor(historyOf("c1 0-1 SET a = OK \n c1 2-3 GET = nil"));
  assert(page !== null);
  assert(!/(?:src|href|@import|https?:)/.test(page.replaceAll(/url\(#open\)/g, "")));
  assertMatch(page, /^<!doctype html>/);
  assertMatch(page, /<svg[^>]*role="img"/);
});

Deno.test("operations that are left out are counted", () => {
  const many = Array.from({ length: 60 }, (_, i) => `c1 ${3 * i}-${3 * i + 1} SET v${i} = OK`);
  const page = pageFor(historyOf([...many, "c2 200-201 GET = v3"].join("\n")));
  assert(page !== null);
  const counted = [...page.matchAll(/class="gap"[^>]*>\+(\d+)</g)].reduce((sum, [, n]) => sum + Number(n), 0);
  assertEquals(counted + barsOf(page).length, 61);
});

Deno.test("the text for a terminal is one line a thing, short and printable", () => {
  const bytes = `\n\r\x1b[31m\xff"${"long".repeat(100)}`;
  const history = historyOf(`c1 0-1 SET a = OK \n c1 2-3 GET = b`).map((one) =>
    one.op === "GET" ? { ...one, result: bytes } : { ...one, args: [`${bytes}!`] }
  );
  const found = failure(history);
  assert(found !== null);
  const [{ operations }, explanation] = found;
  for (const line of [headline(explanation, nameOf), ...explanationLines(explanation, operations, nameOf)]) {
    assert(/^[\x20-\x7e\u2026\u2192]*$/.test(line) && line.length < 300, line);
  }
});

const SHOWN: readonly (readonly [history: string, shown: string])[] = [
  ["c1 0-1 SET a nx = OK", 'SET "a" NX \u2192 OK'],
  ["c1 0-? DEL", "DEL \u2192 unknown"],
  ["c1 0-1 SET a !", 'SET "a" \u2192 failed'],
  ["c1 0-1 GET = nil", "GET \u2192 nil"],
  ["c1 0-1 GET = a", 'GET \u2192 "a"'],
  ["c1 0-1 INCR = 3", "INCR \u2192 3"],
  ["c1 0-1 INCR = ERR", "INCR \u2192 an error"],
];

Deno.test("operations in words", () => {
  for (const [text, shown] of SHOWN) assertEquals(historyOf(text).map((one) => shownOperation(one)), [shown]);
});

Deno.test("what else there is to say", () => {
  const lines = (text: string) => {
    const found = failure(historyOf(text));
    return found === null ? [] : explanationLines(found[1], found[0].operations, nameOf);
  };
  assertEquals(lines("c1 0-1 SET a ! \n c1 2-3 SET b = OK \n c1 4-5 GET = a").slice(0, 2), [
    'it would have been right with "b"',
    '"a" comes from line 1, which failed',
  ]);
  assertEquals(lines("c1 0-1 GET = a \n c1 2-3 SET a = OK").slice(0, 2), [
    "it would have been right with nil",
    '"a" comes from line 2, which is asked only later',
  ]);
  assertEquals(lines("c1 0-1 GET = a").slice(1), [
    'nobody writes "a"',
    "this answer alone is impossible:",
    '  line 1, client 1, 0 to 1: GET \u2192 "a"   <- cannot be placed with this answer',
    "nothing can be placed before it",
  ]);
  const words = Array.from(
    { length: 10 },
    (_, i) => `c1 ${2 * i}-${2 * i + 1} APPEND word${i}; = ${6 * i + 6}`,
  );
  const list = "word0;word1;word2;word3;word4;word6;word7;word8;word9;";
  assertEquals(
    lines([...words, `c1 90-91 GET = ${list}`].join("\n"))[1],
    'its first 34 bytes are right; then it has "6;word7;word8;word9;" where "5;word6;word7;word8;word9;" should come',
  );
});
