/**
 * Kind: unit (a server between hands).
 *
 * Invariant: a backup's bytes are handed on once, in order, a few pieces under way at a time; its last bytes only when the whole was found to
 * be sound; what may be tried again is told apart from what may not.
 *
 * Learnt: who gets all but the last piece of a damaged snapshot has a file without a foot, which nobody takes for a backup.
 */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { joined } from "../../internal/base/bytes.ts";
import { Refusal } from "../../internal/base/errors.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import { SnapshotDamage, SnapshotEncoder } from "../../internal/storage/snapshot_file.ts";
import { BrokenOff, fetchSnapshot, type Server } from "../../cmd/remote_snapshot.ts";
import { type Answer, NoAnswer } from "../../cmd/resp_client.ts";

await loadCrc32c();

const ADDRESS = { host: "test", port: 1 };

/** A snapshot of so many chunks of 100 kB, one of a million bytes among them. */
function snapshotOf(chunks: number): Uint8Array {
  const encoder = new SnapshotEncoder();
  const meta = {
    clusterId: "c",
    index: 7,
    term: 2,
    configurationIndex: 0,
    configuration: configurationOfVoters(["n1"]),
    digest: 5,
  };
  const parts = [encoder.head(meta)];
  for (let i = 0; i < chunks; i++) {
    parts.push(...encoder.chunk(new Uint8Array(i === 3 ? 1_000_000 : 100_000).fill(i + 1)));
  }
  parts.push(encoder.foot());
  return joined(parts);
}

/** Answers as a server does that has one snapshot. */
class Hands implements Server {
  readonly address = ADDRESS;
  readonly #bytes: Uint8Array;
  asked: string[][] = [];
  underWay = 0;
  mostUnderWay = 0;
  /** What is answered instead. */
  instead: (words: readonly string[]) => Answer | null = () => null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  async send(words: readonly (string | Uint8Array)[]): Promise<Answer> {
    const texts = words.map(String);
    this.asked.push(texts);
    this.underWay++;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.underWay--;
    const other = this.instead(texts);
    if (other !== null) return other;
    const [, , piece, ...numbers] = texts;
    if (piece !== "PIECE") {
      const checksum = new DataView(this.#bytes.buffer).getUint32(this.#bytes.length - 4, true);
      const items = [7, 2, this.#bytes.length, checksum];
      return { type: "array", items: items.map((value) => ({ type: "integer", text: String(value) })) };
    }
    const [, , , , offset = 0, length = 0] = numbers.map(Number);
    return { type: "bulk", bytes: this.#bytes.slice(offset, offset + length) };
  }
}

class Basket {
  readonly parts: Uint8Array[] = [];
  readonly take = (bytes: Uint8Array) => {
    this.parts.push(bytes);
    return Promise.resolve();
  };
}

for (const chunks of [0, 1, 40]) {
  Deno.test(`a snapshot of ${chunks} chunks is handed on byte for byte, a few pieces at a time`, async () => {
    const bytes = snapshotOf(chunks);
    const [server, basket] = [new Hands(bytes), new Basket()];
    const { meta, id } = await fetchSnapshot(server, false, basket.take);
    assertEquals([meta.index, meta.clusterId, id.bytes], [7, "c", bytes.length]);
    assertEquals(joined(basket.parts), bytes);
    assert(server.mostUnderWay <= 4);
    assertEquals(server.asked[0], ["RAFT", "BACKUP"]);
  });
}

Deno.test("a stale one is asked for by its word", async () => {
  const server = new Hands(snapshotOf(1));
  await fetchSnapshot(server, true, new Basket().take);
  assertEquals(server.asked[0], ["RAFT", "BACKUP", "STALE"]);
});

Deno.test("the last bytes of a damaged one are not handed on, wherever the damage is", async () => {
  const whole = snapshotOf(12);
  for (let offset = 0; offset < whole.length; offset += 91_733) {
    const bytes = whole.slice();
    bytes[offset] = must(bytes[offset], "It is there") ^ 4;
    const basket = new Basket();
    await assertRejects(() => fetchSnapshot(new Hands(bytes), false, basket.take), SnapshotDamage);
    assertLess(joined(basket.parts).length, bytes.length);
  }
});

const failures: readonly (readonly [string, (words: readonly string[]) => Answer | null, boolean])[] = [
  ["no leader", () => ({ type: "error", text: "NOLEADER no leader is known" }), true],
  ["a command that it does not know", () => ({ type: "error", text: "ERR unknown subcommand" }), false],
  ["an answer that is no name", () => ({ type: "integer", text: "1" }), false],
  [
    "a snapshot that went meanwhile",
    (words) => words[2] === "PIECE" ? { type: "error", text: "ERR it cannot be read; begin anew" } : null,
    true,
  ],
  [
    "a server that went meanwhile",
    (words) => {
      if (words[2] === "PIECE") throw NoAnswer.of(ADDRESS, "it closed the connection");
      return null;
    },
    true,
  ],
];

for (const [name, instead, isWorthAnother] of failures) {
  Deno.test(`${name}: ${isWorthAnother ? "another attempt may do" : "no other attempt will do"}`, async () => {
    const server = new Hands(snapshotOf(3));
    server.instead = instead;
    const error = await fetchSnapshot(server, false, new Basket().take).catch((error: unknown) => error);
    assert(isWorthAnother ? error instanceof BrokenOff : error instanceof Refusal, `${error}`);
  });
}
