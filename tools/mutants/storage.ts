/**
 * Mutants of storage and recovery (catalogue 3.7).
 *
 * Keeps true: what mutant.ts says.
 *
 * @module
 */
import type { Killer, Mutant } from "./mutant.ts";

const STORE = "internal/storage/stable_store.ts";
const OPEN_SEGMENT = "internal/storage/open_segment.ts";
const RECOVERY = "internal/storage/recovery.ts";
const SEGMENT = "internal/storage/segment.ts";
const DIRECTORY = "internal/storage/data_directory.ts";
const FOLD = "internal/storage/fold.ts";

function storage(file: string, test: string): Killer {
  return { file: `tests/storage/${file}_test.ts`, test };
}

export const storageMutants: readonly Mutant[] = [
  {
    name: "failed-sync-is-tried-again",
    catalogue: ["W1", "D12"],
    breaks: "a batch whose sync failed is written again, and told of as durable",
    file: STORE,
    find: "    await segment.file.writeSynced(segment.offset, bytes);\n",
    replace:
      "    await segment.file.writeSynced(segment.offset, bytes).catch(() => segment.file.writeSynced(segment.offset, bytes));\n",
    killer: storage("fault", "EIO at any operation of a life"),
  },
  {
    name: "sync-skipped",
    catalogue: ["W2"],
    breaks: "a batch is told of as durable that is in the cache of the operating system only",
    file: STORE,
    find: "segment.file.writeSynced(segment.offset, bytes);",
    replace: "segment.file.writeAt(segment.offset, bytes);",
    killer: storage("round_trip", "what is said to be stable is durable"),
  },
  {
    name: "stable-before-sync",
    catalogue: ["W2", "L13"],
    breaks: "a batch is told of as durable when its sync begins",
    file: STORE,
    find: "    await this.#append(records);\n    for (const { hardState",
    replace:
      '    const writing = this.#append(records);\n    must(this.#events, "").onStable(must(effects.at(-1), "").number);\n    await writing;\n    for (const { hardState',
    killer: storage("group_commit", "a completion comes after the sync"),
  },
  {
    name: "damage-is-a-torn-tail",
    catalogue: ["W3", "D8"],
    breaks: "a damaged batch in the middle of the log is cut with everything behind it",
    file: RECOVERY,
    find: "  if (later !== null) {",
    replace: "  if (later !== null && later.at < 0) {",
    killer: storage("damage", "every single bit of a closed and of a last segment"),
  },
  {
    name: "torn-tail-takes-too-much",
    catalogue: ["W3"],
    breaks: "the log is cut one batch before the one that is torn",
    file: RECOVERY,
    find: '    if (typeof limit !== "number" && isZero(bytes, at, bytes.length)) break;\n',
    replace:
      "    if (limit === null && isZero(bytes, at, bytes.length)) break;\n    if (limit === null && lastBatchAt !== null && isZero(bytes, at + 8192, bytes.length)) break;\n",
    killer: storage("round_trip", "random writes over"),
  },
  {
    name: "log-goes-on-in-the-torn-tail",
    catalogue: ["W3", "W8"],
    breaks: "after a cut the log goes on in the same segment, in front of what was cut",
    file: OPEN_SEGMENT,
    find: "  if (end.clean) {",
    replace: "  if (end.serial > 0) {",
    killer: storage("damage", "W3: "),
  },
  {
    name: "missing-log-is-a-new-log",
    catalogue: ["W4"],
    breaks: "a server that was born and whose log is gone begins an empty one",
    file: DIRECTORY,
    find: "  const identity = await openIdentity(options);\n",
    replace:
      "  const identity = await openIdentity(options);\n  if ((await listSegments(fileSystem, `${directory}/${LOG}`, trace)).length === 0) await StableStore.create(storeOptions(options, identity, 0));\n",
    killer: storage("identity", "an identity without a log"),
  },
  {
    name: "mark-behind-the-repair",
    catalogue: ["W3", "D25"],
    breaks: "the loss is noted only when the log was already cut",
    file: "internal/storage/repair.ts",
    find: "    { ...state, lastBatch: kept?.end.lastBatch ?? 0, serial: kept?.end.serial ?? 0 },",
    replace: "    promises,",
    killer: storage("repair", "power fails at any moment of a repair"),
  },
  {
    name: "lost-end-not-noticed",
    catalogue: ["D9", "D19"],
    breaks: "a log that ends before what was certainly durable is taken for whole",
    file: RECOVERY,
    find: "  if (damage === null && end.lastBatch < durable.lastBatch) {",
    replace: "  if (damage === null && end.lastBatch < 0) {",
    killer: storage("repair", "after a clean end, whatever happens"),
  },
  {
    name: "floor-is-what-is-whole",
    catalogue: ["W3"],
    breaks: "where the end of a lost log is not known, the floor is where its whole part ends",
    file: "internal/storage/repair.ts",
    find: "loss.last ?? { index: BEYOND_THE_TERM, term: hardState.currentTerm }",
    replace: "loss.last ?? known.last",
    killer: storage("repair", "after a clean end, whatever happens"),
  },
  {
    name: "vote-lost-with-the-log",
    catalogue: ["D5", "E2"],
    breaks: "a server comes back from a repair with the vote of the part that is whole",
    file: "internal/storage/repair.ts",
    find: "let hardState = newerOf(promises.hardState, known.hardState);",
    replace: "let hardState = known.hardState;",
    killer: storage("repair", "after a clean end, whatever happens"),
  },
  {
    name: "epoch-stays",
    catalogue: ["L10"],
    breaks: "a second loss has the epoch of the first",
    file: "internal/storage/repair.ts",
    find: "epoch: Math.max(promises.epoch, known.epoch, loss.epoch) + 1,",
    replace: "epoch: 1,",
    killer: storage("repair", "each loss has an epoch of its own"),
  },
  {
    name: "missing-identity-is-a-birth",
    catalogue: ["W4", "M11"],
    breaks: "a log without an identity is removed, and the server is born again",
    file: DIRECTORY,
    find: "if (serials.length > 0 && !(await isStillborn(options, serials))) {",
    replace: "if (serials.length > 1000) {",
    killer: storage("identity", "a log without an identity"),
  },
  {
    name: "term-falls-in-recovery",
    catalogue: ["W5", "E6"],
    breaks: "a hard state that falls back is believed",
    file: FOLD,
    find: "    if (hardState.currentTerm < currentTerm) {",
    replace: "    if (hardState.currentTerm < 0) {",
    killer: storage("fold", "a term that falls"),
  },
  {
    name: "hard-state-not-recovered",
    catalogue: ["W5", "E2"],
    breaks: "term and vote are read and forgotten",
    file: FOLD,
    find: "    this.#hardState = hardState;\n    return null;",
    replace: "    this.#hardState = { ...hardState, votedFor: null };\n    return null;",
    killer: storage("round_trip", "random writes over"),
  },
  {
    name: "identity-written-in-place",
    catalogue: ["W5"],
    breaks: "the identity gets its name before its bytes are on the disk",
    file: "internal/storage/identity.ts",
    find: "    await file.sync();\n",
    replace: "",
    killer: storage("crash", "every promised write survives"),
  },
  {
    name: "segment-directory-not-synced",
    catalogue: ["W6", "D17"],
    breaks: "a new segment is written to before its name is on the disk",
    file: OPEN_SEGMENT,
    find: "segmentName(serial)}`);\n  await fileSystem.syncDirectory(directory);\n",
    replace: "segmentName(serial)}`);\n",
    killer: storage("crash", "every promised write survives"),
  },
  {
    name: "segment-not-synced",
    catalogue: ["W6", "D17"],
    breaks: "a segment gets its name before its header is on the disk",
    file: OPEN_SEGMENT,
    find: "  await file.sync();\n  return nonce;",
    replace: "  return nonce;",
    killer: storage("crash", "every promised write survives"),
  },
  {
    name: "newest-segments-go-first",
    catalogue: ["L23", "W11"],
    breaks: "segments are let go of from the newest on",
    file: STORE,
    find: "    this.#closed.shift();\n",
    replace: "    this.#closed.pop();\n",
    killer: storage("crash", "every promised write survives"),
  },
  {
    name: "batch-of-another-segment",
    catalogue: ["W8", "D22"],
    breaks: "what an earlier use of the file left is taken for batches of this segment",
    file: SEGMENT,
    find: "    if (bytes[at + 8 + i] !== nonce[i]) return",
    replace: "    if (bytes[at + 8 + i] === undefined) return",
    killer: storage("damage", "W8: a last batch of another segment"),
  },
  {
    name: "chain-not-checked",
    catalogue: ["W8", "D10"],
    breaks: "a batch is believed that does not go on from the one before it",
    file: RECOVERY,
    find: "  if (header.chain !== thread.chain) return",
    replace: "  if (header.chain < 0) return",
    killer: storage("damage", "W8: a last batch that does not go on"),
  },
  {
    name: "record-checksum-not-checked",
    catalogue: ["W9", "D8"],
    breaks: "the records of a batch are believed without their checksum",
    file: SEGMENT,
    find: "if (crc32c(bytes.subarray(at + BATCH_HEADER_BYTES, recordsEnd)) !== header.recordChecksum) {",
    replace: "if (recordsEnd < at) {",
    killer: storage("damage", "every single bit of a closed and of a last segment"),
  },
  {
    name: "batch-header-not-checked",
    catalogue: ["W9", "D8"],
    breaks: "a batch's header is believed without its checksum",
    file: SEGMENT,
    find: "  if (checksum !== headerChecksum(bytes, at)) return",
    replace: "  if (checksum < 0) return",
    killer: storage("damage", "every single bit of a closed and of a last segment"),
  },
  {
    name: "read-error-is-the-end",
    catalogue: ["W4", "D11"],
    breaks: "what cannot be read is taken for not being there",
    file: "internal/storage/read_ahead.ts",
    find: "      return await file.readAt(0, await file.size());\n",
    replace: "      return await file.readAt(0, await file.size()).catch(() => new Uint8Array(1 << 16));\n",
    killer: storage("fault", "a fault at any operation of a recovery"),
  },
  {
    name: "last-batch-not-written-again",
    catalogue: ["W11", "D12"],
    breaks: "what a killed life left in the cache is built on as if it were on the disk",
    file: OPEN_SEGMENT,
    find:
      "  if (end.lastBatchAt !== null) await file.writeAt(end.lastBatchAt.offset, end.lastBatchAt.bytes);\n  await file.sync();\n",
    replace: "",
    killer: storage("kill_then_crash", "a kill at any operation"),
  },
  {
    name: "two-batches-at-a-time",
    catalogue: ["W12"],
    breaks: "a batch is begun while another one is on its way to the disk",
    file: STORE,
    find: "    if (this.#busy) return;\n    this.#busy = true;",
    replace: "    this.#busy = true;",
    killer: storage("group_commit", "everything that arrives while a sync"),
  },
  {
    name: "failure-is-not-final",
    catalogue: ["W1", "L24"],
    breaks: "a store that failed goes on with the next write",
    file: STORE,
    find: "      this.#failed = true;\n",
    replace: "",
    killer: storage("fault", "EIO at any operation of a life"),
  },
  {
    name: "committed-is-cut-in-recovery",
    catalogue: ["L19", "W7"],
    breaks: "a record that removes what was committed is obeyed",
    file: FOLD,
    find: "    if (from <= this.#commitIndex) {",
    replace: "    if (from <= 0) {",
    killer: storage("fold", "a cut of what is committed"),
  },
  {
    name: "truncation-not-written",
    catalogue: ["W7", "L5"],
    breaks: "what a conflict removed is not removed on the disk",
    file: STORE,
    find: "      if (truncateFrom !== null) records.push(encodeTruncate(truncateFrom, term));\n",
    replace: "",
    killer: storage("round_trip", "random writes over"),
  },
  {
    name: "term-behind-its-entries",
    catalogue: ["L14"],
    breaks: "in a batch the entries of a term come before the term",
    file: STORE,
    find:
      "      if (hardState !== null) records.push(encodeHardState(hardState));\n      if (reset !== null) records.push(encodeReset(reset));\n      if (truncateFrom !== null) records.push(encodeTruncate(truncateFrom, term));\n      for (const entry of append) {\n        const record = recordOf(entry);\n        records.push(record);\n        bytes += record.length;\n      }\n",
    replace:
      "      if (reset !== null) records.push(encodeReset(reset));\n      if (truncateFrom !== null) records.push(encodeTruncate(truncateFrom, term));\n      for (const entry of append) {\n        const record = recordOf(entry);\n        records.push(record);\n        bytes += record.length;\n      }\n      if (hardState !== null) records.push(encodeHardState(hardState));\n",
    killer: storage("round_trip", "random writes over"),
  },
];
