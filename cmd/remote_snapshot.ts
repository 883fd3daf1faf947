/**
 * A snapshot on a server, read like a file: from its beginning to its end, a few pieces under way at a time.
 *
 * Keeps true: every piece that arrives goes to the taker, in order and once, before it can be read; only the last one waits until the whole is
 * found to be sound. What is in memory is what is under way and the chunk that is being read.
 *
 * @module
 */
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { FileError, type FileHandle } from "../internal/platform/file_system.ts";
import { type SnapshotId, type SnapshotMeta, SnapshotReader } from "../internal/storage/snapshot_file.ts";
import { type Answer, NoAnswer, type RespClient } from "./resp_client.ts";
import { showAddress } from "./flags.ts";

const PIECE_BYTES = 256 * 1024;
const PIECES_MAX = 4;
const WITHIN_MS = 60_000;

/** What a connection to a server is here. */
export type Server = Pick<RespClient, "address" | "send">;

/** Where the bytes go. */
export type Taker = (bytes: Uint8Array) => Promise<void>;

/** That this attempt failed, and another one may not: the server went away, or the snapshot did. */
export class BrokenOff extends Error {
  override readonly name = "BrokenOff";
}

/**
 * Asks a server for a snapshot and hands it on, checked.
 *
 * @throws {BrokenOff} where it can be tried again
 * @throws {Refusal} where it cannot
 * @throws {SnapshotDamage} where what arrived is not sound; its last bytes were not handed on then
 */
export async function fetchSnapshot(
  client: Server,
  mayBeStale: boolean,
  take: Taker,
): Promise<{ readonly meta: SnapshotMeta; readonly id: SnapshotId }> {
  const answer = await ask(client, ["RAFT", "BACKUP", ...(mayBeStale ? ["STALE"] : [])]);
  const id = nameOf(answer, client);
  const remote = new RemoteSnapshot(client, id, take);
  const reader = await SnapshotReader.open(remote);
  while (true) {
    const next = await reader.next();
    if (next instanceof Uint8Array) continue;
    if (next.checksum !== id.checksum || next.index !== id.index || next.term !== id.term) {
      throw new BrokenOff("the snapshot is another one than was announced");
    }
    await remote.finish();
    return { meta: reader.meta, id: next };
  }
}

async function ask(client: Server, words: readonly string[]): Promise<Answer> {
  try {
    return await client.send(words, WITHIN_MS);
  } catch (error) {
    if (error instanceof NoAnswer) throw new BrokenOff(error.message, { cause: error });
    throw error;
  }
}

function nameOf(answer: Answer, client: Server): SnapshotId {
  if (answer.type === "error") {
    if (answer.text.startsWith("NOLEADER")) {
      throw new BrokenOff(`${answer.text}; --stale takes what this server has`);
    }
    throw new Refusal(ExitCode.unavailable, `no backup from ${showAddress(client.address)}: ${answer.text}`);
  }
  const numbers = answer.type === "array"
    ? answer.items.map((item) => item.type === "integer" ? Number(item.text) : NaN)
    : [];
  const [index = NaN, term = NaN, bytes = NaN, checksum = NaN] = numbers;
  if (numbers.length !== 4 || numbers.some((number) => !Number.isSafeInteger(number))) {
    throw new Refusal(
      ExitCode.unavailable,
      `${showAddress(client.address)} does not name a snapshot as raftline servers do`,
    );
  }
  return { index, term, bytes, checksum };
}

class RemoteSnapshot implements FileHandle {
  readonly path: string;
  readonly #client: Server;
  readonly #id: SnapshotId;
  readonly #take: Taker;
  /** What arrived and may still be read: the bytes from `#from` on. */
  #parts: Uint8Array[] = [];
  #from = 0;
  #to = 0;
  /** What was asked for, in order. */
  readonly #asked: Promise<Uint8Array>[] = [];
  #askedTo = 0;
  #last: Uint8Array | null = null;

  constructor(client: Server, id: SnapshotId, take: Taker) {
    this.#client = client;
    this.#id = id;
    this.#take = take;
    this.path = `from ${showAddress(client.address)}`;
  }

  size(): Promise<number> {
    return Promise.resolve(this.#id.bytes);
  }

  links(): Promise<number> {
    return Promise.resolve(1);
  }

  async readAt(offset: number, length: number): Promise<Uint8Array> {
    this.#letGoBefore(offset);
    const end = Math.min(offset + length, this.#id.bytes);
    while (this.#to < end) await this.#next();
    const bytes = new Uint8Array(Math.max(0, end - offset));
    let at = this.#from;
    for (const part of this.#parts) {
      const [first, last] = [Math.max(offset, at), Math.min(end, at + part.length)];
      if (first < last) bytes.set(part.subarray(first - at, last - at), first - offset);
      at += part.length;
    }
    return bytes;
  }

  /** Hands the last piece on: the whole is sound. */
  async finish(): Promise<void> {
    const last = this.#last;
    this.#last = null;
    if (last !== null) await this.#take(last);
  }

  async #next(): Promise<void> {
    while (this.#asked.length < PIECES_MAX && this.#askedTo < this.#id.bytes) {
      const length = Math.min(PIECE_BYTES, this.#id.bytes - this.#askedTo);
      const piece = this.#piece(this.#askedTo, length);
      // Whoever waits for it hears of it; until then nobody does.
      piece.catch(() => {});
      this.#asked.push(piece);
      this.#askedTo += length;
    }
    const piece = await this.#asked.shift();
    if (piece === undefined) throw new FileError("EIO", `read ${this.path}: nothing is left`);
    this.#parts.push(piece);
    this.#to += piece.length;
    if (this.#to < this.#id.bytes) await this.#take(piece);
    else this.#last = piece;
  }

  async #piece(offset: number, length: number): Promise<Uint8Array> {
    const { index, term, bytes, checksum } = this.#id;
    const numbers = [index, term, bytes, checksum, offset, length].map(String);
    const answer = await ask(this.#client, ["RAFT", "BACKUP", "PIECE", ...numbers]);
    if (answer.type === "bulk" && answer.bytes.length === length) return answer.bytes;
    throw new BrokenOff(answer.type === "error" ? answer.text : `a piece is no bytes but ${answer.type}`);
  }

  #letGoBefore(offset: number): void {
    while (true) {
      const [first] = this.#parts;
      if (first === undefined || this.#from + first.length > offset) return;
      this.#parts.shift();
      this.#from += first.length;
    }
  }

  writeAt(): Promise<void> {
    return refuse();
  }

  writeSynced(): Promise<void> {
    return refuse();
  }

  sync(): Promise<void> {
    return refuse();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function refuse(): Promise<never> {
  return Promise.reject(new FileError("EROFS", "a snapshot on a server is read only"));
}
