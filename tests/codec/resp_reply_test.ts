/**
 * Kind: unit (every type in both protocols) and property.
 *
 * Invariant: what is written reads back, by a reader that knows the protocol alone, as the reply that was meant; nothing in a
 * bulk string passes for protocol; what was taken stays as it was.
 *
 * Learnt: short and long texts go two ways, and a short one changes its way at the first character that is not ASCII, so texts are tried with that
 * character at every place around the border.
 */
import { assert, assertEquals } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import { errorReply, NULL, OK, type Reply } from "../../internal/codec/reply.ts";
import { ReplyMemory } from "../../internal/codec/reply_memory.ts";
import { ReplyWriter } from "../../internal/codec/resp_reply.ts";
import { randomReply, replyMakers } from "./makers.ts";
import { join, randomOf, utf8 } from "./support.ts";

function written(resp3: boolean, ...replies: readonly Reply[]): Uint8Array {
  const writer = new ReplyWriter();
  for (const reply of replies) writer.write(reply, resp3);
  const { length } = writer;
  const bytes = writer.take();
  assertEquals(bytes.length, length);
  return bytes;
}

const int = (value: bigint | number): Reply => ({ type: "integer", value });
const bulk = (text: string): Reply => ({ type: "bulk", bytes: bytesOfLatin1(text) });
const list = (...items: Reply[]): Reply => ({ type: "array", items });

const GOLDEN: readonly (readonly [reply: Reply, resp2: string, resp3?: string])[] = [
  [OK, "+OK\r\n"],
  [{ type: "simple", text: "" }, "+\r\n"],
  [errorReply("ERR no\r\nway"), "-ERR no way\r\n"],
  [errorReply("UNKNOWN it may have happened, ask again"), "-UNKNOWN it may have happened, ask again\r\n"],
  [int(0), ":0\r\n"],
  [int(-0), ":0\r\n"],
  [int(-7), ":-7\r\n"],
  [int(Number.MAX_SAFE_INTEGER), ":9007199254740991\r\n"],
  [int(2n ** 63n - 1n), ":9223372036854775807\r\n"],
  [int(-(2n ** 63n)), ":-9223372036854775808\r\n"],
  [bulk(""), "$0\r\n\r\n"],
  [bulk("hello"), "$5\r\nhello\r\n"],
  [bulk("\r\n+OK\r\n\0\xff"), "$9\r\n\r\n+OK\r\n\0\xff\r\n"],
  [NULL, "$-1\r\n", "_\r\n"],
  [list(), "*0\r\n"],
  [list(bulk("a"), NULL, int(1)), "*3\r\n$1\r\na\r\n$-1\r\n:1\r\n", "*3\r\n$1\r\na\r\n_\r\n:1\r\n"],
  [list(list(list())), "*1\r\n*1\r\n*0\r\n"],
  [{ type: "map", pairs: [] }, "*0\r\n", "%0\r\n"],
  [
    { type: "map", pairs: [[bulk("k"), int(1)], [OK, list(NULL)]] },
    "*4\r\n$1\r\nk\r\n:1\r\n+OK\r\n*1\r\n$-1\r\n",
    "%2\r\n$1\r\nk\r\n:1\r\n+OK\r\n*1\r\n_\r\n",
  ],
];

for (const [reply, resp2, resp3 = resp2] of GOLDEN) {
  Deno.test(`a reply of type ${reply.type} is ${JSON.stringify(resp2)} in RESP2, ${JSON.stringify(resp3)} in RESP3`, () => {
    assertEquals(latin1Of(written(false, reply)), resp2);
    assertEquals(latin1Of(written(true, reply)), resp3);
  });
}

/** Reads RESP by its specification; a RESP2 map comes back as the flat array that it is. */
class Reader {
  #at = 0;
  constructor(readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.#at === this.bytes.length;
  }

  read(): Reply {
    const line = this.#line();
    const [first, text] = [
      line[0] ?? 0,
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line.subarray(1)),
    ];
    switch (String.fromCharCode(first)) {
      case "+":
        return { type: "simple", text };
      case "-":
        return { type: "error", text };
      case ":":
        return { type: "integer", value: BigInt(text) };
      case "_":
        return NULL;
      case "$": {
        if (text === "-1") return NULL;
        const bytes = this.bytes.subarray(this.#at, this.#at + Number(text));
        this.#at += bytes.length;
        assertEquals(this.#line().length, 0);
        return { type: "bulk", bytes };
      }
      case "*":
        return { type: "array", items: Array.from({ length: Number(text) }, () => this.read()) };
      case "%": {
        const pairs = Array.from({ length: Number(text) }, () => [this.read(), this.read()] as const);
        return { type: "map", pairs };
      }
      default:
        throw new Error(`byte ${first} begins no reply`);
    }
  }

  #line(): Uint8Array {
    const end = this.bytes.indexOf(13, this.#at);
    assert(end >= 0 && this.bytes[end + 1] === 10, "a line ends with CRLF");
    const line = this.bytes.subarray(this.#at, end);
    this.#at = end + 2;
    return line;
  }
}

/** What a RESP2 client can see of a reply. */
function flat(reply: Reply): Reply {
  if (reply.type === "array") return list(...reply.items.map(flat));
  if (reply.type === "map") return list(...reply.pairs.flatMap(([key, value]) => [flat(key), flat(value)]));
  return reply;
}

for (const [type, make] of Object.entries(replyMakers)) {
  Deno.test(`every reply of type ${type} reads back, in RESP2 and in RESP3`, () => {
    const random = randomOf(`resp reply/${type}`);
    for (let i = 0; i < 200; i++) {
      const reply = make(random, 10);
      for (const resp3 of [false, true]) {
        const reader = new Reader(written(resp3, reply));
        assertEquals(reader.read(), resp3 ? reply : flat(reply));
        assert(reader.done);
      }
    }
  });
}

Deno.test("many replies stand one behind another, from the first byte to beyond every growth", () => {
  const random = randomOf("resp reply/many");
  const replies = Array.from({ length: 2000 }, () => randomReply(random, 8));
  const reader = new Reader(written(true, ...replies));
  for (const reply of replies) assertEquals(reader.read(), reply);
  assert(reader.done);
});

Deno.test("a reply larger than anything before it finds room", () => {
  for (const length of [0, 500, 507, 508, 512, 513, 1023, 1024, 100_000]) {
    const bytes = new Uint8Array(length).fill(65);
    const expected = join(utf8(`+OK\r\n$${length}\r\n`), bytes, utf8("\r\n+OK\r\n"));
    assertEquals(written(false, OK, { type: "bulk", bytes }, OK), expected);
  }
});

Deno.test("a text is UTF-8, wherever the first character stands that is not ASCII", () => {
  for (const character of ["é", "水", "𐅑", "\u007f", "\u0080"]) {
    for (let length = 0; length < 30; length++) {
      for (let at = 0; at <= length; at++) {
        const text = "x".repeat(at) + character + "y".repeat(length - at) + character;
        const reply: Reply = { type: "simple", text };
        assertEquals(written(false, reply, OK), join(utf8(`+${text}\r\n`), utf8("+OK\r\n")));
      }
    }
  }
});

Deno.test("long texts of three bytes a character find room", () => {
  for (const length of [100, 169, 170, 171, 1000]) {
    const text = "水".repeat(length);
    assertEquals(written(false, OK, { type: "error", text }), utf8(`+OK\r\n-${text}\r\n`));
  }
});

Deno.test("what was taken stays as it was, and the writer begins anew", () => {
  const writer = new ReplyWriter();
  assertEquals([writer.length, writer.take().length], [0, 0]);
  writer.write(bulk("first"), false);
  const first = writer.take();
  assertEquals(writer.length, 0);
  writer.write(bulk("other"), false);
  assertEquals(latin1Of(first), "$5\r\nfirst\r\n");
  assertEquals(latin1Of(writer.take()), "$5\r\nother\r\n");
});

Deno.test("writers that share their memory do not write to what another one has, or had", () => {
  const random = randomOf("reply memory");
  const memory = new ReplyMemory();
  const writers = Array.from({ length: 5 }, () => ({ writer: new ReplyWriter(memory), meant: "" }));
  const taken: { readonly bytes: Uint8Array; readonly meant: string }[] = [];
  const pieces = new Set<ArrayBufferLike>();
  for (let step = 0; step < 3000; step++) {
    const one = must(writers[random.below(writers.length)], "there are five");
    if (random.chance(1, 4)) {
      const bytes = one.writer.take();
      if (bytes.length > 5) pieces.add(bytes.buffer);
      taken.push({ bytes, meant: one.meant });
      one.meant = "";
      continue;
    }
    const text = String.fromCharCode(97 + step % 26).repeat(random.chance(1, 50) ? 9000 : random.below(400));
    const reply = random.chance(1, 3) ? OK : bulk(text);
    one.writer.write(reply, false);
    one.meant += reply === OK ? "+OK\r\n" : `$${text.length}\r\n${text}\r\n`;
    assertEquals(one.writer.length, one.meant.length);
  }
  for (const { bytes, meant } of taken) assertEquals(latin1Of(bytes), meant);
  assert(pieces.size < taken.length / 2, "most of them share their memory with others");
});

Deno.test("a bulk string is copied: its bytes may change behind the writer", () => {
  const bytes = utf8("value");
  const writer = new ReplyWriter();
  writer.write({ type: "bulk", bytes }, false);
  bytes.fill(0);
  assertEquals(latin1Of(writer.take()), "$5\r\nvalue\r\n");
});

Deno.test("the protocol is chosen for each reply", () => {
  const writer = new ReplyWriter();
  writer.write(NULL, false);
  writer.write(NULL, true);
  writer.write(NULL, false);
  assertEquals(latin1Of(writer.take()), "$-1\r\n_\r\n$-1\r\n");
});
