/**
 * Kind: unit (tables of lines, headers and limits) and property.
 *
 * Invariant: the same bytes give the same commands, however they were cut; arguments are the bytes that were sent; whatever is no command is one
 * error that says what is wrong, and after it nothing is read; what is only announced costs neither time nor memory.
 *
 * Learnt: a limit is tested on both sides, and both with and without the end of the line: the decoder looks at different places. Where a header line
 * is above the limit, which of two errors comes depends on whether its end came in the same chunk, so the streams here do
 * not rest on it.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import type { Random } from "../../internal/base/random.ts";
import {
  defaultRequestLimits,
  ProtocolError,
  RequestDecoder,
  type RequestLimits,
} from "../../internal/codec/resp_request.ts";
import { chunkings, join, randomBytes, randomChunks, randomOf, watchAllocations } from "./support.ts";

const SMALL: RequestLimits = { lineBytesMax: 32, bulkBytesMax: 16, argumentsMax: 4, commandBytesMax: 24 };

interface Heard {
  readonly commands: string[][];
  readonly error: string | null;
}

/** What the decoder says to these chunks; words as Latin-1, the error without its common beginning. */
function heard(decoder: RequestDecoder, chunks: readonly Uint8Array[]): Heard {
  const commands: string[][] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let calls = 0;; calls++) {
      const next = decoder.next();
      if (next === null) break;
      if (next instanceof ProtocolError) {
        assert(next.text.startsWith("Protocol error: "), next.text);
        return { commands, error: next.text.slice("Protocol error: ".length) };
      }
      commands.push(next.map(latin1Of));
      assert(calls < 100_000, "more commands than bytes");
    }
  }
  return { commands, error: null };
}

/** The same from a decoder that is asked to scan first, every time; and how many commands it found so. */
function scanned(decoder: RequestDecoder, chunks: readonly Uint8Array[]): Heard & { readonly easy: number } {
  const commands: string[][] = [];
  let easy = 0;
  for (const chunk of chunks) {
    decoder.push(chunk);
    while (true) {
      const count = decoder.scan();
      const next = count > 0 ? decoder.words(count) : decoder.next();
      if (next === null) break;
      if (next instanceof ProtocolError) {
        return { commands, error: next.text.slice("Protocol error: ".length), easy };
      }
      if (count > 0) easy++;
      commands.push(next.map(latin1Of));
    }
  }
  return { commands, error: null, easy };
}

/** The same for a whole text; what it says is the same for every way to cut it. */
function said(text: string, limits: RequestLimits = defaultRequestLimits): Heard {
  const bytes = bytesOfLatin1(text);
  const whole = heard(new RequestDecoder(limits), [bytes.slice()]);
  for (const chunks of chunkings(bytes)) {
    const how = `cut as ${chunks.map(({ length }) => length)}`;
    // A decoder owns its chunks, so each gets its own.
    const copies = chunks.map((chunk) => chunk.slice());
    assertEquals(heard(new RequestDecoder(limits), chunks), whole, how);
    const { commands, error } = scanned(new RequestDecoder(limits), copies);
    assertEquals({ commands, error }, whole, how);
  }
  return whole;
}

const ok = (...commands: string[][]): Heard => ({ commands, error: null });
const wrong = (error: string): Heard => ({ commands: [], error });

function arrayOf(words: readonly Uint8Array[]): Uint8Array {
  const bulk = (word: Uint8Array) => join(bytesOfLatin1(`$${word.length}\r\n`), word, bytesOfLatin1("\r\n"));
  return join(bytesOfLatin1(`*${words.length}\r\n`), ...words.map(bulk));
}

/* ---- streams ---- */

const STREAM: readonly (readonly [bytes: string, command: string[] | null])[] = [
  ["*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", ["GET", "k"]],
  ["PING\r\n", ["PING"]],
  ["\r\n", null],
  ["\n", null],
  ["*0\r\n", null],
  ["*-1\r\n", null],
  ["  \t \r\n", null],
  ["set k \"a\\x41\\n\" 'it\\'s'\n", ["set", "k", "aA\n", "it's"]],
  ["*3\r\n$3\r\nSET\r\n$6\r\n\r\n\0*\xff$\r\n$0\r\n\r\n", ["SET", "\r\n\0*\xff$", ""]],
  ["*1\n$4\nPING\r\n", ["PING"]],
  ["*1\r\n$0\r\n\r\n", [""]],
  ["*2\r\n$5\r\n*1\r\n$\r\n$2\r\n\n\r\r\n", ["*1\r\n$", "\n\r"]],
  ["get k\n", ["get", "k"]],
];

Deno.test("a stream of requests gives the same commands, cut at every byte and byte by byte", () => {
  const text = STREAM.map(([bytes]) => bytes).join("");
  assertEquals(said(text), ok(...STREAM.flatMap(([, command]) => command === null ? [] : [command])));
});

Deno.test("random commands in random chunks come back, and stay what they were while more arrives", () => {
  const random = randomOf("request/round trip");
  for (let i = 0; i < 200; i++) {
    const sent = Array.from(
      { length: random.between(1, 12) },
      () =>
        Array.from(
          { length: random.between(1, 6) },
          () => randomBytes(random, random.chance(1, 9) ? 900 : 20),
        ),
    );
    const decoder = new RequestDecoder(defaultRequestLimits);
    const got: Uint8Array[][] = [];
    for (const chunk of randomChunks(random, join(...sent.map(arrayOf)), random.between(1, 200))) {
      decoder.push(chunk);
      while (true) {
        const next = decoder.next();
        if (next === null) break;
        assert(!(next instanceof ProtocolError));
        got.push(next);
      }
    }
    // Compared only now: a view of bytes that the decoder used again would show.
    assertEquals(got, sent);
    assertEquals(decoder.bytesKept, 0);
  }
});

Deno.test("arguments of a command in one chunk are views of it", () => {
  const chunk = arrayOf([bytesOfLatin1("GET"), bytesOfLatin1("key")]);
  const decoder = new RequestDecoder(defaultRequestLimits);
  decoder.push(chunk);
  const { value: command, allocated } = watchAllocations(() => decoder.next());
  assert(Array.isArray(command));
  assertStrictEquals(command[1]?.buffer, chunk.buffer);
  assertEquals(allocated, []);
});

Deno.test("every byte passes in a bulk string and, as \\xHH, in an inline line", () => {
  const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
  assertEquals(said(`*1\r\n$256\r\n${all}\r\n`), ok([all]));
  const escaped = Array.from({ length: 256 }, (_, byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
  assertEquals(
    heard(new RequestDecoder(defaultRequestLimits), [bytesOfLatin1(`"${escaped.join("")}"\n`)]),
    ok([all]),
  );
  const upper = escaped.map((each) => each.toUpperCase().replace("X", "x"));
  assertEquals(
    heard(new RequestDecoder(defaultRequestLimits), [bytesOfLatin1(`"${upper.join("")}"\n`)]),
    ok([all]),
  );
});

/* ---- inline lines ---- */

const LINES: readonly (readonly [line: string, words: string[]])[] = [
  ["PING", ["PING"]],
  ["set  key\tvalue ", ["set", "key", "value"]],
  ["  lead", ["lead"]],
  ["a\vb\fc\0d", ["a", "b", "c", "d"]],
  ["a\rb", ["a", "b"]],
  ["b\xe9 \xff", ["b\xe9", "\xff"]],
  ["a\\nb", ["a\\nb"]],
  ["-1 $5 a*", ["-1", "$5", "a*"]],
  ['""', [""]],
  ["''", [""]],
  ['set k ""', ["set", "k", ""]],
  ['"a b" c', ["a b", "c"]],
  ['"a\tb\0c"', ["a\tb\0c"]],
  ['pre"fix ed"', ["prefix ed"]],
  ["pre'fix ed' b", ["prefix ed", "b"]],
  ['"\\x41\\x7a\\xff\\x00"', ["Az\xff\0"]],
  ['"\\xAf"', ["\xaf"]],
  ['"\\x4" "\\x4g" "\\x" "\\X41"', ["x4", "x4g", "x", "X41"]],
  ['"\\n\\r\\t\\b\\a"', ["\n\r\t\b\x07"]],
  ['"\\\\ \\" \\q \\\'"', ["\\ \" q '"]],
  ["'\\n \\x41 \\\\ \\\"'", ['\\n \\x41 \\\\ \\"']],
  ["'it\\'s' b", ["it's", "b"]],
  [`"it's" 'say "x"'`, ["it's", 'say "x"']],
];

for (const [line, words] of LINES) {
  Deno.test(`the line ${JSON.stringify(line)} has ${words.length} words`, () => {
    assertEquals(said(`${line}\r\n`), ok(words));
    assertEquals(said(`${line}\n${line}\r\n`), ok(words, words));
  });
}

for (
  const line of [
    '"',
    "'",
    'a "b',
    "a 'b",
    '"a\\"',
    "'a\\'",
    '"a\\',
    '"a"b',
    "'a'b",
    '"a""b"',
    `"a"'b'`,
    'a"b"c',
    `a"`,
  ]
) {
  Deno.test(`the line ${JSON.stringify(line)} has unbalanced quotes`, () => {
    assertEquals(said(`${line}\r\n`), wrong("unbalanced quotes in request"));
    assertEquals(said(`PING\n${line}\nPING\n`), {
      commands: [["PING"]],
      error: "unbalanced quotes in request",
    });
  });
}

for (
  const line of ["GET / HTTP/1.1", "OPTIONS * HTTP/1.0", "POST /x", "post", "Host: me", "HOST: me", "host:"]
) {
  Deno.test(`the line ${line} is a browser's`, () => {
    assertEquals(said(`${line}\r\nSET k v\r\n`), wrong("this port speaks the Redis protocol, not HTTP"));
  });
}

for (const line of ["GET /", "POSTS x", "host me", "GET a HTTP", "SET a b HTTP/1.1", "HTTP/1.1"]) {
  Deno.test(`the line ${line} is a command`, () => assertEquals(said(`${line}\r\n`), ok(line.split(" "))));
}

Deno.test("HTTP in an array of bulk strings is data", () => {
  const words = ["GET", "/", "HTTP/1.1"];
  assertEquals(said(latin1Of(arrayOf(words.map(bytesOfLatin1)))), ok(words));
  assertEquals(said(latin1Of(arrayOf([bytesOfLatin1("POST")]))), ok(["POST"]));
});

Deno.test("a TLS handshake is refused by its first byte, also behind a command, and is data within one", () => {
  assertEquals(said("\x16"), wrong("this port speaks no TLS"));
  assertEquals(said("PING\r\n\x16\x03\x01"), { commands: [["PING"]], error: "this port speaks no TLS" });
  assertEquals(said("*1\r\n$1\r\n\x16\r\na\x16\n"), ok(["\x16"], ["a\x16"]));
});

/* ---- what is malformed ---- */

const MULTIBULK = "invalid multibulk length";
const BULK = "invalid bulk length";
const NO_CRLF = "a bulk string does not end with CRLF";

const MALFORMED: readonly (readonly [bytes: string, error: string])[] = [
  ...[
    "",
    "-",
    "x",
    "1x",
    "x1",
    "+1",
    " 1",
    "1 ",
    "1.5",
    "1e3",
    "0x1",
    "--1",
    "1-",
    "9".repeat(16),
    "9".repeat(30),
  ]
    .flatMap((number) =>
      [[`*${number}\r\n`, MULTIBULK], [`*1\r\n$${number}\r\n`, BULK], [
        `*2\r\n$1\r\na\r\n$${number}\r\n`,
        BULK,
      ]] as const
    ),
  ["*1\r\n$-1\r\n", BULK],
  ["*1\r\n$-9\r\n", BULK],
  ["*1\r\nx\r\n", "expected '$', got 'x'"],
  ["*1\r\n*1\r\n", "expected '$', got '*'"],
  ["*1\r\n\r\n", "expected '$', got '\\x0d'"],
  ["*1\r\n\0\n", "expected '$', got '\\x00'"],
  ["*1\r\n\x7f\n", "expected '$', got '\\x7f'"],
  ["*1\r\n\xff\n", "expected '$', got '\\xff'"],
  ["*1\r\n~ \n", "expected '$', got '~'"],
  ["*1\r\n$1\r\nab\r\n", NO_CRLF],
  ["*1\r\n$2\r\na\r\n\r\n", NO_CRLF],
  ["*1\r\n$1\r\na\n\n", NO_CRLF],
  ["*1\r\n$1\r\na\r\r", NO_CRLF],
  ["*1\r\n$0\r\n$0\r\n", NO_CRLF],
];

Deno.test("what is malformed is one error, behind the commands before it", () => {
  for (const [bytes, error] of MALFORMED) {
    assertEquals(said(bytes), wrong(error), JSON.stringify(bytes));
    assertEquals(said(`PING\n${bytes}PING\n`), { commands: [["PING"]], error }, JSON.stringify(bytes));
  }
});

Deno.test("after an error there is nothing but that error, and nothing is kept", () => {
  const decoder = new RequestDecoder(defaultRequestLimits);
  decoder.push(bytesOfLatin1("*x\r\nPING\r\n"));
  const error = decoder.next();
  assert(error instanceof ProtocolError);
  for (let i = 0; i < 3; i++) {
    decoder.push(bytesOfLatin1("PING\r\n"));
    assertStrictEquals(decoder.next(), error);
    assertEquals(decoder.bytesKept, 0);
  }
});

/* ---- limits ---- */

const HALF = "$16\r\n0123456789abcdef\r\n";

/** For each limit what just passes it, with the commands that it makes, and what does not, with the error. */
const LIMITS:
  readonly (readonly [what: string, within: string, words: string[][], above: string, error: string])[] = [
    [
      "an inline line",
      `${"a".repeat(32)}\n`,
      [["a".repeat(32)]],
      `${"a".repeat(33)}\n`,
      "too big inline request, the limit is 32 bytes",
    ],
    [
      "an inline line with its carriage return",
      `${"a".repeat(31)}\r\n`,
      [["a".repeat(31)]],
      `${"a".repeat(32)}\r\n`,
      "too big inline request, the limit is 32 bytes",
    ],
    [
      "an endless inline line",
      "a".repeat(32),
      [],
      "a".repeat(33),
      "too big inline request, the limit is 32 bytes",
    ],
    ["an endless array header", `*${"1".repeat(31)}`, [], `*${"1".repeat(32)}`, "too big mbulk count string"],
    [
      "an endless bulk header",
      `*1\r\n$${"1".repeat(31)}`,
      [],
      `*1\r\n$${"1".repeat(32)}`,
      "too big bulk count string",
    ],
    [
      "an endless second bulk header",
      `*2\r\n$1\r\na\r\n$${"1".repeat(31)}`,
      [],
      `*2\r\n$1\r\na\r\n$${"1".repeat(32)}`,
      "too big bulk count string",
    ],
    [
      "arguments",
      `*4\r\n${"$0\r\n\r\n".repeat(4)}`,
      [["", "", "", ""]],
      "*5\r\n",
      "invalid multibulk length, the limit is 4 arguments",
    ],
    [
      "arguments beyond reason",
      "*000000000000004\r\n",
      [],
      "*1000000000\r\n",
      "invalid multibulk length, the limit is 4 arguments",
    ],
    [
      "an argument",
      `*1\r\n${HALF}`,
      [["0123456789abcdef"]],
      "*1\r\n$17\r\n",
      "invalid bulk length, the limit is 16 bytes",
    ],
    [
      "an argument beyond reason",
      "*1\r\n$000000000000016\r\n",
      [],
      "*1\r\n$999999999999999\r\n",
      "invalid bulk length, the limit is 16 bytes",
    ],
    [
      "a command",
      `*2\r\n${HALF}$8\r\n01234567\r\n`,
      [["0123456789abcdef", "01234567"]],
      `*2\r\n${HALF}$9\r\n`,
      "a command has more than 24 bytes",
    ],
  ];

for (const [what, within, words, above, error] of LIMITS) {
  Deno.test(`the limit of ${what} is refused one beyond, not before`, () => {
    assertEquals(said(within, SMALL), ok(...words));
    assertEquals(said(`a\n${within}`, SMALL), ok(["a"], ...words));
    assertEquals(said(above, SMALL), wrong(error));
    assertEquals(said(`a\n${above}`, SMALL), { commands: [["a"]], error });
  });
}

Deno.test("a command's bytes are counted anew for the next one", () => {
  const command = `*2\r\n${HALF}$8\r\n01234567\r\n`;
  const words = ["0123456789abcdef", "01234567"];
  assertEquals(said(command.repeat(3), SMALL), ok(words, words, words));
});

Deno.test("what is announced is not allocated", () => {
  for (
    const text of [
      "*1048576\r\n",
      "*1048576\r\n$8388608\r\n",
      "*1000000000\r\n",
      "*1\r\n$8388608\r\n",
      "*1\r\n$8388608\r\nabc",
      "*1\r\n$8388609\r\n",
      "*1\r\n$999999999999999\r\n",
    ]
  ) {
    for (const chunks of chunkings(bytesOfLatin1(text))) {
      const { allocated } = watchAllocations(() => heard(new RequestDecoder(defaultRequestLimits), chunks));
      const largest = Math.max(...allocated);
      assert(largest <= 2 * text.length, `${largest} bytes for ${JSON.stringify(text)}`);
    }
  }
});

Deno.test("a large bulk string in small chunks is moved a few times, not once a chunk", () => {
  const body = new Uint8Array(1_000_000).fill(7);
  const decoder = new RequestDecoder(defaultRequestLimits);
  const chunks = randomChunks(randomOf("request/large"), arrayOf([body]), 2000);
  const { value, allocated } = watchAllocations(() => heard(decoder, chunks));
  assertEquals(value.commands.map(([word]) => word?.length), [1_000_000]);
  assert(allocated.length < 25, `${allocated.length} allocations`);
  assert(allocated.reduce((sum, bytes) => sum + bytes, 0) < 6_000_000, String(allocated));
});

Deno.test("bytes are kept for the command under way only", () => {
  const decoder = new RequestDecoder(defaultRequestLimits);
  const steps: readonly (readonly [chunk: string, kept: number])[] = [
    ["PI", 2],
    ["NG\r\n", 0],
    ["*2\r\n$3\r\nGE", 2],
    ["T", 3],
    ["\r\n", 3],
    ["$5", 5],
    ["\r\nab", 5],
    ["cde\r", 9],
    ["\nPING\r\nx", 1],
  ];
  for (const [chunk, kept] of steps) {
    heard(decoder, [bytesOfLatin1(chunk)]);
    assertEquals(decoder.bytesKept, kept, JSON.stringify(chunk));
  }
});

/* ---- anything at all ---- */

const TOKENS = [
  ..."*$\r\n\n \t\"'\\x0123-a\0\x16\xff",
  "\r\n",
  "*1\r\n",
  "*2\r\n",
  "*3\r\n",
  "$0\r\n\r\n",
  "$1\r\na\r\n",
  "$3\r\nSET\r\n",
  "$9\r\n",
  "*-1\r\n",
  "*0\r\n",
  "*1000000000\r\n",
  "$-1\r\n",
  "$17\r\n",
  "get k\r\n",
  '"\\x41"',
  "HTTP/1.1",
  "GET / HTTP/1.1\r\n",
  HALF,
  "a".repeat(33),
  `*${"1".repeat(32)}`,
  `*1\r\n$${"1".repeat(32)}`,
];

function anything(random: Random, tokensMax: number): Uint8Array {
  if (random.chance(1, 10)) return randomBytes(random, 2 * tokensMax);
  const draw = () => TOKENS[random.below(TOKENS.length)] ?? "";
  return bytesOfLatin1(Array.from({ length: random.between(0, tokensMax) }, draw).join(""));
}

Deno.test("anything at all says the same whole, byte by byte and in random chunks", () => {
  const random = randomOf("request/chunks");
  let [commands, errors] = [0, 0];
  for (let i = 0; i < 4000; i++) {
    const bytes = anything(random, 40);
    const whole = heard(new RequestDecoder(defaultRequestLimits), [bytes.slice()]);
    const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
    assertEquals(heard(new RequestDecoder(defaultRequestLimits), single), whole);
    const chunks = randomChunks(random, bytes, 12);
    const copies = chunks.map((chunk) => chunk.slice());
    assertEquals(heard(new RequestDecoder(defaultRequestLimits), chunks), whole);
    const byScan = scanned(new RequestDecoder(defaultRequestLimits), copies);
    assertEquals({ commands: byScan.commands, error: byScan.error }, whole);
    commands += whole.commands.length;
    if (whole.error !== null) errors++;
  }
  assert(commands > 1000 && errors > 1000, `${commands} commands, ${errors} errors`);
});

Deno.test("commands that arrive whole are scanned, with limits as without, and what is not easy is left as it was", () => {
  const random = randomOf("request/scan");
  let [easy, hard, errors] = [0, 0, 0];
  for (let i = 0; i < 4000; i++) {
    const limits = random.chance(1, 2) ? SMALL : defaultRequestLimits;
    const pieces = Array.from({ length: random.between(1, 12) }, () => {
      if (random.chance(1, 8)) return anything(random, 6);
      return arrayOf(Array.from({ length: random.between(1, 11) }, () => randomBytes(random, 18)));
    });
    const bytes = join(...pieces);
    const chunks = random.chance(1, 2) ? [bytes] : randomChunks(random, bytes, 300);
    const copies = chunks.map((chunk) => chunk.slice());
    const expected = heard(new RequestDecoder(limits), chunks);
    const { commands, error, easy: found } = scanned(new RequestDecoder(limits), copies);
    assertEquals({ commands, error }, expected);
    easy += found;
    hard += commands.length - found;
    errors += error === null ? 0 : 1;
  }
  assert(easy > 2000 && hard > 1000 && errors > 500, `${easy} easy, ${hard} hard, ${errors} errors`);
});

const DOCUMENTED = [
  /^invalid multibulk length$/,
  /^invalid multibulk length, the limit is 4 arguments$/,
  /^too big mbulk count string$/,
  /^too big bulk count string$/,
  /^expected '\$', got '(.|\\x[0-9a-f]{2})'$/,
  /^invalid bulk length$/,
  /^invalid bulk length, the limit is 16 bytes$/,
  /^a command has more than 24 bytes$/,
  /^a bulk string does not end with CRLF$/,
  /^this port speaks no TLS$/,
  /^this port speaks the Redis protocol, not HTTP$/,
  /^too big inline request, the limit is 32 bytes$/,
  /^unbalanced quotes in request$/,
];

Deno.test("anything at all is commands within the limits or a documented error, and no more is kept than the limits say", () => {
  const random = randomOf("request/limits");
  const { lineBytesMax, bulkBytesMax, argumentsMax, commandBytesMax } = SMALL;
  const seen = new Set<RegExp>();
  for (let i = 0; i < 20_000; i++) {
    const decoder = new RequestDecoder(SMALL);
    for (const chunk of randomChunks(random, anything(random, 60), 30)) {
      const { commands, error } = heard(decoder, [chunk]);
      for (const words of commands) {
        assert(
          words.length >= 1 && words.every(({ length }) => length <= Math.max(lineBytesMax, bulkBytesMax)),
        );
        assert(words.length <= Math.max(argumentsMax, lineBytesMax / 2 + 1));
        assert(words.reduce((sum, { length }) => sum + length, 0) <= Math.max(lineBytesMax, commandBytesMax));
      }
      if (error !== null) {
        const documented = DOCUMENTED.find((pattern) => pattern.test(error));
        assert(documented !== undefined, error);
        seen.add(documented);
        break;
      }
      assert(decoder.bytesKept <= commandBytesMax + lineBytesMax, `${decoder.bytesKept} bytes are kept`);
    }
  }
  assertEquals(DOCUMENTED.filter((pattern) => !seen.has(pattern)), [], "every error was met");
});

Deno.test("what is settled keeps nothing of the chunk, and says how much it keeps", () => {
  const decoder = new RequestDecoder(defaultRequestLimits);
  const text = `${"PING\r\n".repeat(5000)}*4\r\n$4\r\nMSET\r\n$1\r\nk\r\n$5\r\nva`;
  // As sockets give it, with a slice that is a view.
  const chunk = Buffer.from(text, "latin1");
  decoder.push(chunk);
  let pings = 0;
  while (decoder.next() !== null) pings++;
  assertEquals(pings, 5000);
  const kept = decoder.settle();
  assert(kept > "MSETkva".length && kept < 1000, `${kept} bytes are kept`);
  assertEquals(decoder.settle(), kept);
  chunk.fill(0);
  decoder.push(bytesOfLatin1("lue\r\n$1\r\nx\r\nPI"));
  const command = decoder.next();
  assert(Array.isArray(command));
  assertEquals(command.map(latin1Of), ["MSET", "k", "value", "x"]);
  assertEquals(decoder.next(), null);
  decoder.settle();
  decoder.push(bytesOfLatin1("NG\r\n"));
  const ping = decoder.next();
  assertEquals(Array.isArray(ping) ? ping.map(latin1Of) : ping, ["PING"]);
  assertEquals([decoder.next(), decoder.settle()], [null, 0]);
});

Deno.test("words of a few bytes are kept for what they take, not for what they say", () => {
  const decoder = new RequestDecoder(defaultRequestLimits);
  decoder.push(bytesOfLatin1(`*100000\r\n${"$1\r\nx\r\n".repeat(50_000)}`));
  assertEquals(decoder.next(), null);
  assert(decoder.settle() > 50_000 * 50);
});

Deno.test("random commands that are settled wherever they are cut are the same commands", () => {
  const random = randomOf("settled");
  for (let round = 0; round < 200; round++) {
    const words = Array.from({ length: random.between(1, 6) }, () => randomBytes(random, 300));
    const stream = arrayOf(words);
    const decoder = new RequestDecoder(defaultRequestLimits);
    const found: Uint8Array[][] = [];
    for (const chunk of randomChunks(random, join(stream, stream, stream), 200)) {
      decoder.push(chunk);
      for (let next = decoder.next(); Array.isArray(next); next = decoder.next()) {
        found.push(next.map((word) => new Uint8Array(word)));
      }
      const kept = decoder.settle();
      assert(kept >= decoder.bytesKept && kept <= 2 * decoder.bytesKept + 80 * 6 + chunk.length);
    }
    assertEquals(found, [words, words, words]);
  }
});

Deno.test("what is abandoned is kept no more, and nothing is read any more", () => {
  const decoder = new RequestDecoder(defaultRequestLimits);
  decoder.push(bytesOfLatin1(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9000\r\n${"v".repeat(5000)}`));
  assertEquals(decoder.next(), null);
  assert(decoder.settle() > 5000);
  decoder.abandon("enough");
  assertEquals([decoder.settle(), decoder.bytesKept], [0, 0]);
  decoder.push(bytesOfLatin1("PING\r\n"));
  assertEquals([decoder.scan(), decoder.next()], [0, new ProtocolError("enough")]);
});
