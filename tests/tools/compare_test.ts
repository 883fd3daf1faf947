/**
 * Kind: unit.
 *
 * Invariant: the load on rivals asks what it says it asks, about the key that it means, and counts each answer once, errors as errors,
 * however the stream is cut; medians and ratios are those of the rounds, and each goal says by how much it is reached.
 *
 * Learnt: pseudo header fields of HTTP/2 come before all others, or every call is reset.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { latin1Of } from "../../internal/base/latin1.ts";
import { barPlot, linePlot } from "../../tools/compare/plot.ts";
import { median, tableOf } from "../../tools/compare/report.ts";
import { optionsOf } from "../../tools/compare/options.ts";
import { EtcdWire } from "../../tools/compare/wires/etcd.ts";
import { NatsWire } from "../../tools/compare/wires/nats.ts";
import { RespWire } from "../../tools/compare/wires/resp.ts";
import { bytesOf, joined, type Wire, type WireEnds, type WirePlan } from "../../tools/compare/wires/wire.ts";
import { ZookeeperWire } from "../../tools/compare/wires/zookeeper.ts";
import { chunkings } from "../codec/support.ts";

/** A wire with its ends open. */
class Bare implements WireEnds {
  sent: Uint8Array = new Uint8Array(0);
  isReady = false;
  readonly answers: (string | null)[] = [];

  write(bytes: Uint8Array): void {
    this.sent = joined(this.sent, bytes);
  }

  ready(): void {
    this.isReady = true;
  }

  answered(error: string | null): void {
    this.answers.push(error);
  }
}

const plan: WirePlan = { work: "set", valueBytes: 8, connection: 1 };

/** A frame of HTTP/2. */
function frame(kind: number, flags: number, stream: number, body: readonly number[] = []): Uint8Array {
  return Uint8Array.of(0, 0, body.length, kind, flags, 0, 0, 0, stream, ...body);
}

/** An answer of ZooKeeper: length, number, transaction, error. */
function record(number: number, error: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16);
  view.setInt32(4, number);
  view.setInt32(16, error);
  return bytes;
}

const wires: readonly {
  readonly name: string;
  make(plan: WirePlan, ends: WireEnds): Wire;
  /** What a server says first, and what it says to two commands of which the second fails. */
  readonly hello: Uint8Array;
  readonly answers: Uint8Array;
  readonly error: string;
}[] = [
  {
    name: "resp",
    make: (plan, ends) => new RespWire(plan, ends),
    hello: new Uint8Array(0),
    answers: bytesOf("+OK\r\n-ERR no\r\n"),
    error: "ERR no",
  },
  {
    name: "etcd",
    make: (plan, ends) => new EtcdWire(plan, ends),
    hello: frame(4, 0, 0),
    // Header fields, data and the end of a call; then one that ends at once.
    answers: joined(frame(1, 4, 1), frame(0, 0, 1, [0, 0, 0, 0, 0]), frame(1, 5, 1), frame(1, 5, 3)),
    error: "an end without data",
  },
  {
    name: "nats",
    make: (plan, ends) => new NatsWire(plan, ends),
    hello: bytesOf("INFO {}\r\nPONG\r\n"),
    answers: bytesOf('MSG _INBOX.1 1 9\r\n{"seq":1}\r\nMSG _INBOX.1 1 12\r\n{"error":{}}\r\n'),
    error: '{"error":{}}\r\n',
  },
  {
    name: "zookeeper",
    make: (plan, ends) => new ZookeeperWire(plan, ends),
    hello: record(0, 0),
    answers: joined(record(1, 0), record(1, -101)),
    error: "error -101",
  },
];

for (const { name, make, hello, answers, error } of wires) {
  Deno.test(`load on ${name}: each answer is counted once, however the stream is cut`, () => {
    for (const chunks of chunkings(joined(hello, answers))) {
      const ends = new Bare();
      const wire = make(plan, ends);
      wire.opened();
      for (const chunk of chunks) wire.received(chunk);
      assertEquals(ends.isReady, true);
      assertEquals(ends.answers, [null, error]);
    }
  });

  for (const work of ["fill", "set", "get"] as const) {
    Deno.test(`load on ${name}: a ${work} is about the key that was asked for`, () => {
      const ends = new Bare();
      const wire = make({ ...plan, work }, ends);
      wire.opened();
      wire.received(hello);
      for (const key of [0, 7, 123_456_789_012, 42]) {
        ends.sent = new Uint8Array(0);
        wire.ask(key);
        wire.flush();
        const text = latin1Of(ends.sent);
        const keys = [...text.matchAll(/key[:_](\d{12})/g)].map((match) => Number(match[1]));
        assertEquals(new Set(keys), new Set([key]));
        assertEquals(text.includes("bipwdkry".slice(0, 4)), work !== "get", text);
      }
    });
  }
}

Deno.test("load on etcd: what is larger than the window waits for room, and arrives whole", () => {
  const ends = new Bare();
  const wire = new EtcdWire({ ...plan, valueBytes: 100_000 }, ends);
  wire.opened();
  wire.received(frame(4, 0, 0));
  const bodyBytes = () => {
    let sum = 0;
    // Behind the preface of 24 bytes.
    for (let at = 24; at < ends.sent.length;) {
      const view = new DataView(ends.sent.buffer, ends.sent.byteOffset + at);
      const length = view.getUint32(0) >>> 8;
      if (view.getUint8(3) === 0) sum += length;
      at += 9 + length;
    }
    return sum;
  };
  wire.ask(5);
  wire.flush();
  assertEquals(bodyBytes(), 65_535);
  for (const stream of [0, 1]) wire.received(frame(8, 0, stream, [0, 1, 0, 0]));
  // Five bytes of gRPC, two fields with key and value.
  assertEquals(bodyBytes(), 5 + 2 + 16 + 4 + 100_000);
});

Deno.test("medians", () => {
  assertEquals([median([3]), median([1, 9, 2]), median([4, 1, 2, 3])], [3, 2, 2.5]);
});

Deno.test("a table is padded, and its numbers stand to the right", () => {
  assertEquals(
    tableOf(["a", "b"], [["x", "1"], ["yy", "10"]]),
    "| a  |  b |\n| -- | -: |\n| x  |  1 |\n| yy | 10 |",
  );
});

Deno.test("plots show every value, and nothing that a text could break out with", () => {
  const bars = barPlot("a < b", [{ group: "g", name: "n & m", value: 1234 }, {
    group: "g",
    name: "o",
    value: 20,
  }]);
  for (const part of ["a &lt; b", "n &amp; m", "1.23k", ">20<"]) assertStringIncludes(bars, part);
  const lines = linePlot("t", "x", [{ name: "n", points: [{ x: 1, y: 10 }, { x: 100, y: 1000 }] }]);
  assertEquals(lines.match(/<circle/g)?.length, 2);
});

Deno.test("options: what makes no sense is refused", () => {
  const none = [["--clients", "0"], ["--rounds", "x"], ["--growth", "moon"], ["--strange", "1"], ["--keys"]];
  for (const words of none) assertEquals(optionsOf(words, "/tmp"), null, words.join(" "));
  assertEquals(optionsOf(["--goals", "--quick"], "/tmp")?.task, "goals");
  assertEquals(optionsOf(["--growth", "keys,log"], "/tmp")?.growth, ["keys", "log"]);
  assertEquals(optionsOf(["etcd", "redis"], "/tmp")?.subjects, ["etcd", "redis"]);
});
