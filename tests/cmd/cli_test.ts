/**
 * Kind: unit (tables).
 *
 * Invariant: the words of a command line reach the server as they were typed, byte for byte; an answer is shown to people as redis-cli shows
 * it, with quotes and types, and to programs as it is.
 *
 * Learnt: lines of a pipe and of the prompt are split by the server, as for netcat, so there is no second splitting here to differ
 * from it; words of the command line were split by the shell and go as an array. A value that was decoded on its way to a file is another one.
 */
import { assertEquals } from "@std/assert";
import { cliCommand } from "../../cmd/cli.ts";
import { readFlags } from "../../cmd/flags.ts";
import { isBlank, linesOf } from "../../cmd/lines.ts";
import { type Answer, encodeRequest } from "../../cmd/resp_client.ts";
import { showToPeople, showToPrograms } from "../../cmd/show.ts";
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import { defaultRequestLimits, ProtocolError, RequestDecoder } from "../../internal/codec/resp_request.ts";

/** What a server reads from these bytes. */
function received(bytes: Uint8Array): string[][] {
  const decoder = new RequestDecoder(defaultRequestLimits);
  decoder.push(bytes);
  const commands: string[][] = [];
  for (let next = decoder.next(); next !== null; next = decoder.next()) {
    if (next instanceof ProtocolError) throw new Error(next.text);
    commands.push(next.map((word) => new TextDecoder().decode(word)));
  }
  return commands;
}

const COMMANDS: readonly (readonly string[])[] = [
  ["PING"],
  ["SET", "k", "two words"],
  ["SET", "k", ""],
  ["SET", "k", "-5"],
  ["SET", "k", "--connect"],
  ["SET", "k", "--help"],
  ["SET", "k", "007"],
  ["SET", "k", "1e3"],
  ["SET", "k", '"quoted"'],
  ["SET", "k", "'"],
  ["SET", "k", "a\r\nb\n"],
  ["SET", "k", "\\n"],
  ["SET", "k", "ü水𐅑"],
  ["SET", "k", "$-1"],
  ["get"],
];

for (const words of COMMANDS) {
  Deno.test(`${JSON.stringify(words)} reaches the server as it is`, () => {
    for (const before of [[], ["--connect", "h:1"], ["--connect=h:1"]]) {
      const flags = readFlags(cliCommand, [...before, ...words]);
      assertEquals(flags.words, [...words]);
      assertEquals(received(encodeRequest(flags.words)), [[...words]]);
    }
  });
}

Deno.test("a word may be any bytes", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  assertEquals(
    latin1Of(encodeRequest([bytes, "é"])),
    `*2\r\n$256\r\n${latin1Of(bytes)}\r\n$2\r\n\xc3\xa9\r\n`,
  );
});

const bulk = (text: string): Answer => ({ type: "bulk", bytes: bytesOfLatin1(text) });
const list = (...items: Answer[]): Answer => ({ type: "array", items });
const ok: Answer = { type: "simple", text: "OK" };
const nil: Answer = { type: "null" };
const seven: Answer = { type: "integer", text: "7" };

/** An answer, as people see it, and the bytes that programs get, but for the line's end. */
const SHOWN: readonly (readonly [what: string, answer: Answer, people: string, programs: string])[] = [
  ["a simple string", ok, "OK", "OK"],
  ["an error", { type: "error", text: "ERR no" }, "(error) ERR no", "ERR no"],
  ["an integer", seven, "(integer) 7", "7"],
  ["nothing", nil, "(nil)", ""],
  ["a text", bulk("hello world"), '"hello world"', "hello world"],
  ["the empty text", bulk(""), '""', ""],
  ["quotes and backslashes", bulk('a"b\\c'), '"a\\"b\\\\c"', 'a"b\\c'],
  [
    "control bytes",
    bulk("\n\r\t\x07\b\0\x1b\x7f"),
    '"\\n\\r\\t\\a\\b\\x00\\x1b\\x7f"',
    "\n\r\t\x07\b\0\x1b\x7f",
  ],
  ["bytes that are no text", bulk("\xff\x80"), '"\\xff\\x80"', "\xff\x80"],
  ["UTF-8", bulk("\xc3\xbc"), '"\\xc3\\xbc"', "\xc3\xbc"],
  ["lines", bulk("# Server\r\na:1\r\n"), "# Server\r\na:1\r\n", "# Server\r\na:1\r\n"],
  ["an empty list", list(), "(empty array)", ""],
  ["a list", list(bulk("a"), nil, seven), '1) "a"\n2) (nil)\n3) (integer) 7', "a\n\n7"],
  [
    "a list in a list",
    list(bulk("0"), list(bulk("a"), bulk("b")), list()),
    '1) "0"\n2) 1) "a"\n   2) "b"\n3) (empty array)',
    "0\na\nb\n",
  ],
  [
    "a list of ten",
    list(...new Array<Answer>(10).fill(ok)),
    [...Array.from({ length: 9 }, (_, i) => ` ${i + 1}) OK`), "10) OK"].join("\n"),
    new Array(10).fill("OK").join("\n"),
  ],
  [
    "a list three deep",
    list(list(list(ok, seven))),
    "1) 1) 1) OK\n      2) (integer) 7",
    "OK\n7",
  ],
];

for (const [what, answer, people, programs] of SHOWN) {
  Deno.test(`${what} is shown to people and to programs`, () => {
    assertEquals(showToPeople(answer), people);
    assertEquals(latin1Of(showToPrograms(answer)), `${programs}\n`);
  });
}

async function lines(text: string, cuts: readonly number[]): Promise<string[]> {
  const bytes = bytesOfLatin1(text);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    let at = 0;
    for (const cut of [...cuts, bytes.length]) {
      yield await Promise.resolve(bytes.slice(at, cut));
      at = cut;
    }
  }
  const found: string[] = [];
  for await (const line of linesOf(chunks())) found.push(latin1Of(line));
  return found;
}

Deno.test("only a line feed ends a line of a pipe, and every other byte stays, however it was cut", async () => {
  // With the three bytes of U+2028, at which some readers break lines.
  const text = "SET a 1\r\n\nGET \xe2\x80\xa8\ra\xff\0\n\r\nlast";
  const expected = ["SET a 1", "", "GET \xe2\x80\xa8\ra\xff\0", "", "last"];
  for (let cut = 0; cut <= text.length; cut++) assertEquals(await lines(text, [cut]), expected);
  assertEquals(await lines(text, Array.from(text, (_, i) => i)), expected);
  assertEquals(await lines(`${text}\n`, []), expected);
  assertEquals(await lines("", []), []);
});

Deno.test("a line is blank where the server would not answer it", () => {
  const decoder = new RequestDecoder(defaultRequestLimits);
  for (const line of ["", " ", "\t \v\f", "\0", "\r", "\xa0", "\x1c", "a", " a ", '""']) {
    decoder.push(bytesOfLatin1(`${line}\r\n`));
    assertEquals(isBlank(bytesOfLatin1(line)), decoder.next() === null, JSON.stringify(line));
  }
});
