/**
 * One snapshot as a file: the state machine as it was behind one place of the log (dissertation 5.1).
 *
 * | part | bytes | what, little-endian |
 * | --- | --- | --- |
 * | head | 8 | `raftsnap` |
 * | | 4 | CRC32C of the length and the value |
 * | | 4 | length of the value |
 * | | n | CBOR: `[format version, cluster id, index, term, configuration index, configuration, digest]` |
 * | chunk | 4 | length of the payload, at least 1 |
 * | | 4 | CRC32C of the length and the payload |
 * | | n | payload: the state machine's own bytes |
 * | ... | | |
 * | foot | 4 | zero, where a chunk has its length |
 * | | 4 | CRC32C of the zero and the rest of the foot |
 * | | 8 | how many chunks there are |
 * | | 8 | length of the whole file |
 * | | 4 | CRC32C over the checksums of head and chunks, in their order: the whole content in one number |
 *
 * Keeps true: every byte is under a checksum; a file that is cut short has no foot, and one that goes on behind it is refused. Nothing in it
 * tells who wrote it: servers that took it at the same place wrote the same bytes.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Damaged } from "../base/errors.ts";
import { readUint32, readUint53, writeUint32, writeUint53 } from "../base/bytes.ts";
import { decodeCbor, encodeCbor } from "../codec/cbor.ts";
import { decodeConfiguration, encodeConfiguration } from "../codec/configuration_codec.ts";
import { crc32c } from "../codec/crc32c.ts";
import type { FileHandle } from "../platform/file_system.ts";
import type { ConfigurationValue, LogIndex, Term } from "../raft/types.ts";
import { readAround, wordsOf } from "./bad_sectors.ts";

const FORMAT_VERSION = 1;
const MAGIC = new TextEncoder().encode("raftsnap");
const HEAD_BYTES = 16;
const CHUNK_HEAD_BYTES = 8;
const FOOT_BYTES = 28;
/** What a head may have; a configuration of a thousand members has less. */
const HEAD_VALUE_BYTES_MAX = 1024 * 1024;
const CHUNK_BYTES_MAX = 1024 * 1024 * 1024;
/** Memory to read into grows in such steps. */
const MEMORY_STEP_BYTES = 64 * 1024;

/** Of which place a snapshot is. */
export interface SnapshotMeta {
  readonly clusterId: string;
  readonly index: LogIndex;
  readonly term: Term;
  /** The configuration in force there, and where it stands. */
  readonly configurationIndex: LogIndex;
  readonly configuration: ConfigurationValue;
  /** The state machine's digest of itself. */
  readonly digest: number;
}

/** Tells one content from another. Equal ids mean equal bytes, whoever wrote them. */
export interface SnapshotId {
  readonly index: LogIndex;
  readonly term: Term;
  readonly bytes: number;
  readonly checksum: number;
}

/** A snapshot file that is damaged, or none. */
export class SnapshotDamage extends Error {
  override readonly name = "SnapshotDamage";
  constructor(
    readonly file: string,
    readonly offset: number,
    readonly found: string,
    readonly damaged: Damaged = "rotten",
  ) {
    super(`damaged snapshot ${file} at offset ${offset}: ${found}`);
  }
}

/** The name of a snapshot: by place, so that names sort as places do. */
export function snapshotName({ index, term }: { readonly index: LogIndex; readonly term: Term }): string {
  return `snap-${String(index).padStart(16, "0")}-${term}.snap`;
}

/** The place in a name, or `null` where it is no snapshot's. */
export function snapshotPlaceOf(name: string): { readonly index: LogIndex; readonly term: Term } | null {
  const match = /^snap-(\d{16})-(\d{1,16})\.snap$/.exec(name);
  return match === null ? null : { index: Number(match[1]), term: Number(match[2]) };
}

/** Whether a name is that of a snapshot that was put aside, since it was damaged. */
export function isSnapshotAside(name: string): boolean {
  return /^snap-\d{16}-\d{1,16}\.snap\.lost-\d+$/.test(name);
}

/** Puts a snapshot into bytes, part by part. */
export class SnapshotEncoder {
  readonly #sums: number[] = [];
  #bytes = 0;

  head(meta: SnapshotMeta): Uint8Array {
    const value = encodeCbor([
      FORMAT_VERSION,
      meta.clusterId,
      meta.index,
      meta.term,
      meta.configurationIndex,
      encodeConfiguration(meta.configuration),
      meta.digest,
    ]);
    const bytes = new Uint8Array(HEAD_BYTES + value.length);
    bytes.set(MAGIC);
    writeUint32(bytes, 12, value.length);
    bytes.set(value, HEAD_BYTES);
    return this.#sealed(bytes, 8, 12);
  }

  /** What stands before the payload, and the payload itself as it was given. */
  chunk(payload: Uint8Array): readonly [Uint8Array, Uint8Array] {
    assert(payload.length > 0, "A chunk has a payload");
    const head = new Uint8Array(CHUNK_HEAD_BYTES);
    writeUint32(head, 0, payload.length);
    writeUint32(head, 4, crc32c(head.subarray(0, 4), payload));
    this.#sums.push(readUint32(head, 4));
    this.#bytes += head.length + payload.length;
    return [head, payload];
  }

  foot(): Uint8Array {
    const bytes = new Uint8Array(FOOT_BYTES);
    writeUint53(bytes, 8, this.#sums.length - 1);
    writeUint53(bytes, 16, this.#bytes + FOOT_BYTES);
    writeUint32(bytes, 24, checksumOf(this.#sums));
    writeUint32(bytes, 4, crc32c(bytes.subarray(0, 4), bytes.subarray(8)));
    return bytes;
  }

  #sealed(bytes: Uint8Array, at: number, from: number): Uint8Array {
    writeUint32(bytes, at, crc32c(bytes.subarray(from)));
    this.#sums.push(readUint32(bytes, at));
    this.#bytes += bytes.length;
    return bytes;
  }
}

function checksumOf(sums: readonly number[]): number {
  const bytes = new Uint8Array(4 * sums.length);
  sums.forEach((sum, i) => writeUint32(bytes, 4 * i, sum));
  return crc32c(bytes);
}

/** Reads a snapshot file from its beginning to its end, and believes nothing that its checksums do not say. */
export class SnapshotReader {
  readonly #file: FileHandle;
  readonly #sums: number[] = [];
  readonly #size: number;
  #at = 0;
  /** What stands before the payload of the next chunk, where it was read with the one before. */
  #head: Uint8Array | null = null;
  /** Payloads are read into the same memory one after another. */
  #memory = new Uint8Array(0);
  readonly meta: SnapshotMeta;

  private constructor(file: FileHandle, size: number, head: Uint8Array, meta: SnapshotMeta) {
    this.#file = file;
    this.#size = size;
    this.#at = head.length;
    this.#sums.push(readUint32(head, 8));
    this.meta = meta;
  }

  /** @throws {SnapshotDamage} where the file does not begin as a snapshot does */
  static async open(file: FileHandle): Promise<SnapshotReader> {
    const { path } = file;
    const size = await file.size();
    const start = await readSound(file, 0, HEAD_BYTES);
    if (start.length < HEAD_BYTES) throw new SnapshotDamage(path, 0, `the file has ${start.length} bytes`);
    for (let i = 0; i < MAGIC.length; i++) {
      if (start[i] !== MAGIC[i]) throw new SnapshotDamage(path, 0, "it does not begin as a snapshot does");
    }
    const length = readUint32(start, 12);
    if (length > HEAD_VALUE_BYTES_MAX || HEAD_BYTES + length > size) {
      throw new SnapshotDamage(path, 12, `the head has ${length} bytes, the file ${size}`);
    }
    const head = await readSound(file, 0, HEAD_BYTES + length);
    if (head.length < HEAD_BYTES + length || crc32c(head.subarray(12)) !== readUint32(head, 8)) {
      throw new SnapshotDamage(path, 8, "the checksum of the head does not match");
    }
    const meta = metaOf(head.subarray(HEAD_BYTES));
    if (typeof meta === "string") throw new SnapshotDamage(path, HEAD_BYTES, meta);
    return new SnapshotReader(file, size, head, meta);
  }

  /**
   * The payload of the next chunk, which is there until the one behind it is asked for; behind the last one, the identity of the whole.
   *
   * @throws {SnapshotDamage} where the file is not what it was
   */
  async next(): Promise<Uint8Array | SnapshotId> {
    const { path } = this.#file;
    const at = this.#at;
    const head = this.#head ?? await readSound(this.#file, at, CHUNK_HEAD_BYTES);
    if (head.length < CHUNK_HEAD_BYTES) throw new SnapshotDamage(path, at, "the file ends without a foot");
    const length = readUint32(head, 0);
    if (length === 0) return await this.#foot(at);
    if (length > CHUNK_BYTES_MAX || at + CHUNK_HEAD_BYTES + length > this.#size) {
      throw new SnapshotDamage(path, at, `a chunk has ${length} bytes, ${this.#size - at} are left`);
    }
    const bytes = await readSound(
      this.#file,
      at + CHUNK_HEAD_BYTES,
      length + CHUNK_HEAD_BYTES,
      this.#memoryFor(length + CHUNK_HEAD_BYTES),
    );
    const payload = bytes.subarray(0, length);
    const sum = readUint32(head, 4);
    if (payload.length < length || crc32c(head.subarray(0, 4), payload) !== sum) {
      throw new SnapshotDamage(path, at, "the checksum of a chunk does not match");
    }
    this.#sums.push(sum);
    this.#at = at + CHUNK_HEAD_BYTES + length;
    this.#head = bytes.slice(length);
    return payload;
  }

  #memoryFor(bytes: number): Uint8Array {
    if (this.#memory.length < bytes) {
      this.#memory = new Uint8Array(Math.ceil(bytes / MEMORY_STEP_BYTES) * MEMORY_STEP_BYTES);
    }
    return this.#memory;
  }

  /**
   * The identity of the whole, from its foot alone: the chunks are not looked at.
   *
   * @throws {SnapshotDamage} where there is no foot
   */
  async ends(): Promise<SnapshotId> {
    const { index, term } = this.meta;
    const { checksum } = await this.#readFoot(Math.max(0, this.#size - FOOT_BYTES));
    return { index, term, bytes: this.#size, checksum };
  }

  /** The foot behind the last chunk, compared with what was read. */
  async #foot(at: number): Promise<SnapshotId> {
    const { path } = this.#file;
    const { chunks, checksum } = await this.#readFoot(at);
    const found = this.#sums.length - 1;
    if (chunks !== found) {
      throw new SnapshotDamage(path, at, `the foot counts ${chunks} chunks, there are ${found}`);
    }
    if (checksum !== checksumOf(this.#sums)) {
      throw new SnapshotDamage(path, at, "the checksum over the checksums does not match");
    }
    const { index, term } = this.meta;
    return { index, term, bytes: this.#size, checksum };
  }

  async #readFoot(at: number): Promise<{ readonly chunks: number | null; readonly checksum: number }> {
    const { path } = this.#file;
    const foot = await readSound(this.#file, at, FOOT_BYTES);
    if (
      foot.length < FOOT_BYTES || readUint32(foot, 0) !== 0 ||
      crc32c(foot.subarray(0, 4), foot.subarray(8)) !== readUint32(foot, 4)
    ) throw new SnapshotDamage(path, at, "the checksum of the foot does not match");
    const [chunks, bytes] = [readUint53(foot, 8), readUint53(foot, 16)];
    if (bytes !== this.#size || at + FOOT_BYTES !== this.#size) {
      throw new SnapshotDamage(
        path,
        at,
        `the foot says that the file has ${bytes} bytes, it has ${this.#size}`,
      );
    }
    return { chunks, checksum: readUint32(foot, 24) };
  }
}

/** The bytes there; a part that the disk cannot read is damage. */
async function readSound(
  file: FileHandle,
  offset: number,
  length: number,
  memory?: Uint8Array,
): Promise<Uint8Array> {
  const { bytes, holes } = await readAround(file, offset, length, memory);
  const [hole] = holes;
  if (hole !== undefined) throw new SnapshotDamage(file.path, offset, wordsOf(hole), "unreadable");
  return bytes;
}

function metaOf(bytes: Uint8Array): SnapshotMeta | string {
  const decoded = decodeCbor(bytes);
  if ("reason" in decoded) return `the head cannot be decoded: ${decoded.reason}`;
  if (!Array.isArray(decoded.value)) return "the head is no array";
  const fields: readonly unknown[] = decoded.value;
  const [version, clusterId, index, term, configurationIndex, members, digest] = fields;
  if (version !== FORMAT_VERSION) {
    return `the format version is ${String(version)}, this program reads ${FORMAT_VERSION}`;
  }
  if (
    fields.length !== 7 || typeof clusterId !== "string" || typeof index !== "number" ||
    typeof term !== "number" || typeof configurationIndex !== "number" || !(members instanceof Uint8Array) ||
    typeof digest !== "number" || index === 0 || term === 0 || configurationIndex > index
  ) return "the head's fields are not what they should be";
  const configuration = decodeConfiguration(members);
  if (typeof configuration === "string") return `the configuration cannot be read: ${configuration}`;
  return { clusterId, index, term, configurationIndex, configuration, digest };
}
