/**
 * Kind: unit and property.
 *
 * Invariant: a full iteration returns every key that was there from beginning to end, exactly once, and no key twice, whatever comes and goes
 * meanwhile; a cursor stays good until it is pushed out by newer ones.
 *
 * Learnt: the cursor is a number that only this server knows; after it was forgotten the client is told to start again, since going on
 * from anywhere else would skip keys.
 */
import { assertEquals } from "@std/assert";
import { matchesGlob } from "../../internal/base/glob.ts";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { readReply } from "../machine/resp.ts";
import { bulk, ClientStage, type FakeConnection, request } from "./stage.ts";

class Scanner {
  readonly stage: ClientStage;
  readonly client: FakeConnection;

  constructor(limits: { readonly cursorsMax?: number } = {}) {
    this.stage = new ClientStage(limits);
    this.stage.backend.answerer = this.stage.backend.perform;
    this.client = this.stage.connect();
  }

  ask(...words: readonly string[]): string {
    this.client.says(request(...words));
    this.stage.pass();
    return this.client.take();
  }

  set(...keys: readonly string[]): void {
    for (const key of keys) this.ask("SET", key, "v");
  }

  /** One page: the cursor, and the keys. */
  scan(...words: readonly string[]): { readonly cursor: string; readonly keys: readonly string[] } {
    const text = this.ask("SCAN", ...words);
    const heard = readReply(text, 0)?.heard;
    const [cursor, keys] = heard?.type === "array" ? heard.items : [];
    if (cursor?.type !== "bulk" || keys?.type !== "array") throw new Error(`SCAN answers ${text}`);
    return { cursor: cursor.text, keys: keys.items.map((key) => key.type === "bulk" ? key.text : "?") };
  }

  /** Every page from the beginning to the end. */
  all(between: () => void, ...options: readonly string[]): string[] {
    const found: string[] = [];
    let cursor = "0";
    for (let pages = 0; pages === 0 || cursor !== "0"; pages++) {
      if (pages > 5000) throw new Error("SCAN does not end");
      const page = this.scan(cursor, ...options);
      found.push(...page.keys);
      ({ cursor } = page);
      if (cursor !== "0") between();
    }
    return found;
  }
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `key:${String(i).padStart(4, "0")}`);

Deno.test("an empty store is one empty page", () => {
  assertEquals(new Scanner().scan("0"), { cursor: "0", keys: [] });
});

Deno.test("pages have ten keys, or as many as COUNT says, and the last one ends the iteration", () => {
  const scanner = new Scanner();
  scanner.set(...names(25));
  const first = scanner.scan("0");
  const second = scanner.scan(first.cursor);
  const third = scanner.scan(second.cursor);
  assertEquals([first, second, third].map(({ keys }) => keys.length), [10, 10, 5]);
  const all = [...first.keys, ...second.keys, ...third.keys];
  assertEquals(all.toSorted(), names(25));
  assertEquals([first.cursor === "0", second.cursor === "0", third.cursor], [false, false, "0"]);
  for (const [count, pages] of [["25", 1], ["24", 2], ["1", 25], ["999999999", 1]] as const) {
    let turns = 1;
    assertEquals(scanner.all(() => turns++, "COUNT", count), all, "the order does not depend on the pages");
    assertEquals(turns, pages, `COUNT ${count}`);
  }
});

Deno.test("MATCH leaves out keys, not pages", () => {
  const scanner = new Scanner();
  scanner.set(...names(30), "other");
  const [first] = scanner.scan("0", "COUNT", "1").keys;
  const last = scanner.all(() => {}).at(-1);
  assertEquals(scanner.scan("0", "MATCH", last ?? "").keys, []);
  assertEquals(scanner.scan("0", "MATCH", first ?? "").keys, [first]);
  assertEquals(scanner.all(() => {}, "MATCH", "*", "COUNT", "7").toSorted(), [...names(30), "other"]);
  assertEquals(scanner.all(() => {}, "match", "other"), ["other"]);
  assertEquals(scanner.all(() => {}, "MATCH", "key:001?").toSorted(), names(20).slice(10));
  assertEquals(scanner.all(() => {}, "MATCH", "none"), []);
});

Deno.test("every key here is a string, and of another type there is none", () => {
  const scanner = new Scanner();
  scanner.set(...names(3));
  assertEquals(scanner.all(() => {}, "TYPE", "STRING").toSorted(), names(3));
  assertEquals(scanner.all(() => {}, "TYPE", "hash"), []);
});

Deno.test("a page may be asked for again, on another connection too", () => {
  const scanner = new Scanner();
  scanner.set(...names(30));
  const { cursor } = scanner.scan("0");
  const page = scanner.all(() => {}, "COUNT", "99").slice(10, 20);
  const again = scanner.scan(cursor).keys;
  const other = scanner.stage.connect().says(request("SCAN", cursor));
  scanner.stage.pass();
  assertEquals([again, scanner.scan(cursor).keys], [page, page]);
  assertEquals(other.heard.includes(page.map(bulk).join("")), true);
});

Deno.test("the cursor used least recently is forgotten first, and said to be", () => {
  const scanner = new Scanner({ cursorsMax: 3 });
  scanner.set(...names(30));
  const all = scanner.all(() => {}, "COUNT", "99");
  const cursors = [1, 2, 3].map((count) => scanner.scan("0", "COUNT", String(count)).cursor);
  const [first = "", second = "", third = ""] = cursors;
  // Used last, so it stays; the page itself makes a new cursor, which takes the place of the second.
  assertEquals(scanner.scan(first, "COUNT", "2").keys, all.slice(1, 3));
  assertEquals(
    scanner.ask("SCAN", second),
    `-ERR SCAN cursor ${second} is not known to this server: start again with SCAN 0\r\n`,
  );
  assertEquals(scanner.scan(first, "COUNT", "99").keys, all.slice(1));
  assertEquals(scanner.scan(third, "COUNT", "99").keys, all.slice(3));
});

Deno.test("going on behind a key that is gone leaves nothing out", () => {
  const scanner = new Scanner();
  scanner.set("a", "b", "c", "d");
  const all = scanner.all(() => {});
  const { cursor, keys } = scanner.scan("0", "COUNT", "2");
  assertEquals([keys, all.toSorted()], [all.slice(0, 2), ["a", "b", "c", "d"]]);
  scanner.ask("DEL", ...keys);
  assertEquals(scanner.scan(cursor, "COUNT", "9").keys, all.slice(2));
  scanner.ask("FLUSHALL");
  assertEquals(scanner.scan(cursor), { cursor: "0", keys: [] });
});

Deno.test("keys of any bytes are returned, the empty one and those that begin alike too", () => {
  const scanner = new Scanner();
  const keys = [
    "",
    "\0",
    "\0\0",
    "\r\n",
    "0",
    "1",
    "10",
    "1\0",
    "a",
    "aa",
    "\x7f",
    "\x80",
    "\xff",
    "\xff\xff",
  ];
  scanner.set(...keys.toReversed());
  assertEquals(scanner.all(() => {}, "COUNT", "1").sort(), [...keys].sort());
});

for (let seed = 0; seed < 20; seed++) {
  Deno.test(`keys that stay are found once, and none twice, while others come and go, seed ${seed}`, () => {
    const random = new SeededRandom(`scan/${seed}`);
    const scanner = new Scanner();
    const draw = (prefix: string) =>
      prefix +
      Array.from({ length: random.between(0, 4) }, () => String.fromCharCode(random.between(97, 100))).join(
        "",
      );
    const drawMany = (prefix: string) => Array.from({ length: random.between(1, 80) }, () => draw(prefix));
    // What stays and what comes and goes lie among each other: the last letter tells them apart.
    const staying = new Set(drawMany("").map((key) => `${key}S`));
    const moving = drawMany("").map((key) => `${key}M`);
    scanner.set(...staying, ...moving.filter(() => random.chance(1, 2)));
    const options = ["COUNT", String(random.between(1, 15))];
    const pattern = ["*", "*S", "a*", "[^b]*", "?*"][random.below(5)] ?? "*";
    if (random.chance(1, 2)) options.push("MATCH", pattern);
    const matching = (key: string) =>
      !options.includes("MATCH") || matchesGlob(bytesOfLatin1(pattern), bytesOfLatin1(key));
    const ever = new Set([...staying, ...moving]);
    const found = scanner.all(() => {
      for (let i = random.below(6); i > 0; i--) {
        const key = moving[random.below(moving.length)] ?? "M";
        scanner.ask(...(random.chance(1, 2) ? ["DEL", key] : ["SET", key, "new"]));
      }
      // A key that is overwritten stays the same key.
      const kept = [...staying][random.below(staying.size)];
      if (kept !== undefined) scanner.ask("APPEND", kept, "x");
    }, ...options);
    assertEquals(new Set(found).size, found.length, "no key twice");
    assertEquals(found.filter((key) => staying.has(key)).sort(), [...staying].filter(matching).sort());
    assertEquals(
      found.filter((key) => !ever.has(key) || !matching(key)),
      [],
      "nothing that was not asked for",
    );
  });
}
