/**
 * Kind: unit.
 *
 * Invariant: a batch has the same bytes in memory that held an earlier one as in memory that is new: padding and the header's last bytes
 * are zero, as readers demand.
 *
 * Learnt: nothing yet.
 */
import { assert, assertEquals } from "@std/assert";
import { BatchMemory } from "../../internal/storage/batch_memory.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeEntries, recordOf } from "../../internal/codec/record.ts";
import type { Entry } from "../../internal/raft/types.ts";
import { checkBatchBody, decodeBatchHeader, encodeBatch } from "../../internal/storage/segment.ts";

await loadCrc32c();

function recordsOf(lengths: readonly number[]): readonly Uint8Array[] {
  const entries = lengths.map((length, i): Entry => ({
    index: i + 1,
    term: 1,
    kind: "command",
    payload: new Uint8Array(length).fill(0xa5),
    configuration: null,
    record: null,
  }));
  encodeEntries(entries);
  return entries.map(recordOf);
}

Deno.test("a batch is the same in memory that was used before", () => {
  const nonce = new Uint8Array(8).fill(3);
  const used = new BatchMemory();
  for (const lengths of [[300_000], [1], [2, 3], [1000], [4], [5, 6, 7], [70_000], [8], [20_000_000], [0]]) {
    const records = recordsOf(lengths);
    const head = { number: lengths.length, nonce, chain: 9 };
    const [again, anew] = [encodeBatch(records, head, used), encodeBatch(records, head, new BatchMemory())];
    assertEquals(again.checksum, anew.checksum);
    assert(
      again.bytes.length === anew.bytes.length && again.bytes.every((byte, i) => byte === anew.bytes[i]),
    );
    const header = decodeBatchHeader(again.bytes, 0, nonce);
    assert(typeof header !== "string", String(header));
    assert(typeof checkBatchBody(again.bytes, 0, header) !== "string");
  }
});

Deno.test("memory is shared by batches of usual length, and kept by none that is unusually long", () => {
  const memory = new BatchMemory();
  const first = memory.take(1000);
  assert(memory.take(60_000).buffer === first.buffer);
  const grown = memory.take(100_000);
  assert(grown.buffer !== first.buffer && memory.take(200_000).buffer === grown.buffer);
  const long = memory.take(20_000_000);
  assert(memory.take(200_000).buffer === grown.buffer && long.length === 20_000_000);
});
