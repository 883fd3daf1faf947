/**
 * The ceiling: what three processes on this machine can do at most, if nothing had to be decided.
 *
 * One leads because it was started so. A SET goes to the leader's file and to both followers as one record, a majority of three syncs
 * comes before the answer, a GET waits for one follower's word: the same bytes, the same checksums, the same waits as the real
 * thing, with no election, no term, no conflict, no recovery, no limit, no other command. The figures of the real thing are shown
 * as a share of these.
 *
 *     bun tools/compare/ceiling.ts CLIENT_PORT PEER_PORT DATA_FILE [FOLLOWER_PORT,FOLLOWER_PORT]
 *
 * @module
 */
import * as fs from "node:fs";
import * as net from "node:net";
import process from "node:process";
import { crc32c, loadCrc32c } from "../../internal/codec/crc32c.ts";
import { FRAME_HEADER_BYTES, FrameDecoder } from "../../internal/codec/frame.ts";
import { must } from "../../internal/base/assert.ts";
import { CeilingDisk } from "./ceiling_disk.ts";

const RECORD_HEADER_BYTES = 25;
/** One byte for the kind of a message, six for its number. */
const MESSAGE_BYTES = 7;
const APPEND = 1;
const ACKNOWLEDGE = 2;
const ROUND = 3;
const FRAME_MAX = 1 << 28;

const OK = new TextEncoder().encode("+OK\r\n");
const NIL = new TextEncoder().encode("$-1\r\n");

/** A frame with room for that many bytes behind kind and number. */
function frameOf(kind: number, number: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + MESSAGE_BYTES + bytes);
  const view = new DataView(frame.buffer);
  view.setUint32(0, MESSAGE_BYTES + bytes);
  frame[FRAME_HEADER_BYTES] = kind;
  view.setUint32(FRAME_HEADER_BYTES + 1, number);
  return frame;
}

function seal(frame: Uint8Array): Uint8Array {
  new DataView(frame.buffer).setUint32(4, crc32c(frame.subarray(0, 4), frame.subarray(FRAME_HEADER_BYTES)));
  return frame;
}

/** Commands of clients, as RESP arrays of bulk strings, whole or in pieces. */
class Requests {
  #rest: Buffer | null = null;

  take(chunk: Buffer, found: (name: number, key: string, value: Uint8Array) => void): void {
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    let done = 0;
    for (let at = 0; at < bytes.length; done = at) {
      const words: Buffer[] = [];
      const [count, first] = this.#number(bytes, at);
      at = first;
      while (at > 0 && words.length < count) {
        const [length, begin] = this.#number(bytes, at);
        at = begin > 0 && begin + length + 2 <= bytes.length ? begin + length + 2 : 0;
        if (at > 0) words.push(bytes.subarray(begin, begin + length));
      }
      if (at === 0) break;
      const [name, key] = words;
      found(name?.[0] ?? 0, key?.toString("latin1") ?? "", words[2] ?? NIL);
    }
    this.#rest = done === bytes.length ? null : bytes.subarray(done);
  }

  /** The number behind the next byte, and where its line ends; 0 where it is not there yet. */
  #number(bytes: Buffer, at: number): [number: number, end: number] {
    let value = 0;
    for (let i = at + 1; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0;
      if (byte === 13) return i + 1 < bytes.length ? [value, i + 2] : [0, 0];
      value = value * 10 + byte - 48;
    }
    return [0, 0];
  }
}

/** Writes gathered for one socket. */
class Outlet {
  readonly #socket: net.Socket;
  #parts: Uint8Array[] = [];

  constructor(socket: net.Socket) {
    this.#socket = socket;
  }

  /** Tells whether this is the first since the last flush. */
  push(bytes: Uint8Array): boolean {
    return this.#parts.push(bytes) === 1;
  }

  flush(): void {
    const [only] = this.#parts;
    this.#socket.write(this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts));
    this.#parts = [];
  }
}

interface Write {
  readonly outlet: Outlet;
  readonly key: string;
  readonly value: Uint8Array;
}

class Leader {
  readonly #disk: CeilingDisk;
  readonly #followers: { readonly socket: net.Socket; acknowledged: number }[] = [];
  readonly #values = new Map<string, Uint8Array>();
  #gathered: Write[] = [];
  #reads: { readonly outlet: Outlet; readonly key: string }[] = [];
  #turnEnds = false;
  #number = 0;
  #durable = 0;
  #committed = 0;
  readonly #appended = new Map<number, Write[]>();
  #round = 0;
  #answered = 0;
  #reading: { readonly outlet: Outlet; readonly key: string }[] = [];

  constructor(disk: CeilingDisk, followers: readonly number[]) {
    this.#disk = disk;
    for (const port of followers) {
      const socket = net.connect({ host: "127.0.0.1", port });
      socket.setNoDelay(true);
      const follower = { socket, acknowledged: 0 };
      this.#followers.push(follower);
      listen(socket, (kind, number) => {
        if (kind === ACKNOWLEDGE) {
          follower.acknowledged = number;
          this.#commit();
        } else this.#roundAnswered(number);
      });
    }
  }

  accept(socket: net.Socket): void {
    socket.setNoDelay(true);
    const outlet = new Outlet(socket);
    const requests = new Requests();
    socket.on("data", (chunk: Buffer) => {
      requests.take(chunk, (name, key, value) => {
        if (name === 83) this.#gathered.push({ outlet, key, value });
        else if (name === 71) this.#reads.push({ outlet, key });
        else if (outlet.push(OK)) outlet.flush();
      });
      if (this.#turnEnds) return;
      this.#turnEnds = true;
      setImmediate(() => this.#endTurn());
    });
    socket.on("error", () => {});
  }

  #endTurn(): void {
    this.#turnEnds = false;
    if (this.#reads.length > 0 && this.#reading.length === 0) this.#startRound();
    const writes = this.#gathered;
    if (writes.length === 0) return;
    this.#gathered = [];
    const number = ++this.#number;
    let bytes = RECORD_HEADER_BYTES;
    for (const { key, value } of writes) bytes += 8 + key.length + value.length;
    const frame = frameOf(APPEND, number, bytes);
    const record = frame.subarray(FRAME_HEADER_BYTES + MESSAGE_BYTES);
    const text = Buffer.from(record.buffer, record.byteOffset);
    const view = new DataView(record.buffer, record.byteOffset);
    let at = RECORD_HEADER_BYTES;
    for (const { key, value } of writes) {
      view.setUint32(at, key.length);
      view.setUint32(at + 4, value.length);
      text.write(key, at + 8, "latin1");
      record.set(value, at + 8 + key.length);
      at += 8 + key.length + value.length;
    }
    view.setUint32(4, crc32c(record));
    seal(frame);
    this.#appended.set(number, writes);
    for (const { socket } of this.#followers) socket.write(frame);
    this.#disk.append(record, () => {
      this.#durable = number;
      this.#commit();
    });
  }

  #commit(): void {
    const reached = [this.#durable, ...this.#followers.map(({ acknowledged }) => acknowledged)]
      .sort((a, b) => b - a)[1] ?? 0;
    const outlets: Outlet[] = [];
    while (this.#committed < reached) {
      const number = ++this.#committed;
      for (const { outlet, key, value } of must(this.#appended.get(number), "What commits was appended")) {
        this.#values.set(key, value.slice());
        if (outlet.push(OK)) outlets.push(outlet);
      }
      this.#appended.delete(number);
    }
    for (const outlet of outlets) outlet.flush();
  }

  #startRound(): void {
    this.#round++;
    this.#reading = this.#reads;
    this.#reads = [];
    const frame = seal(frameOf(ROUND, this.#round, 0));
    for (const { socket } of this.#followers) socket.write(frame);
  }

  #roundAnswered(number: number): void {
    if (number <= this.#answered) return;
    this.#answered = number;
    const outlets: Outlet[] = [];
    for (const { outlet, key } of this.#reading) {
      const value = this.#values.get(key);
      const head = value === undefined ? NIL : Buffer.from(`$${value.length}\r\n`);
      if (outlet.push(head)) outlets.push(outlet);
      if (value !== undefined) {
        outlet.push(value);
        outlet.push(OK.subarray(3));
      }
    }
    this.#reading = [];
    for (const outlet of outlets) outlet.flush();
    if (this.#reads.length > 0) this.#startRound();
  }
}

/** Reads frames, and hands on kind, number and what follows. */
function listen(socket: net.Socket, heard: (kind: number, number: number, rest: Uint8Array) => void): void {
  const decoder = new FrameDecoder(FRAME_MAX);
  socket.on("error", () => process.exit(1));
  socket.on("data", (chunk: Uint8Array) => {
    decoder.push(chunk);
    for (let body = decoder.next(); body !== null; body = decoder.next()) {
      if (typeof body === "string") throw new Error(body);
      const number = new DataView(body.buffer, body.byteOffset).getUint32(1);
      heard(body[0] ?? 0, number, body.subarray(MESSAGE_BYTES));
    }
  });
}

/** Syncs what arrives, and says so; keeps the values, as a real follower does. */
function follow(socket: net.Socket, disk: CeilingDisk): void {
  const values = new Map<string, Uint8Array>();
  socket.setNoDelay(true);
  let stable = 0;
  listen(socket, (kind, number, rest) => {
    if (kind === ROUND) {
      socket.write(seal(frameOf(ROUND, number, 0)));
      return;
    }
    crc32c(rest.subarray(RECORD_HEADER_BYTES));
    disk.append(rest, (isLast) => {
      stable = number;
      const view = new DataView(rest.buffer, rest.byteOffset);
      for (let at = RECORD_HEADER_BYTES; at < rest.length;) {
        const begin = at + 8 + view.getUint32(at);
        const key = Buffer.from(rest.buffer, rest.byteOffset + at + 8, begin - at - 8).toString("latin1");
        at = begin + view.getUint32(at + 4);
        values.set(key, rest.slice(begin, at));
      }
      if (isLast) socket.write(seal(frameOf(ACKNOWLEDGE, stable, 0)));
    });
  });
}

const [clientPort, peerPort, file, followers] = process.argv.slice(2);
if (clientPort === undefined || peerPort === undefined || file === undefined) {
  console.error("usage: ceiling.ts CLIENT_PORT PEER_PORT DATA_FILE [FOLLOWER_PORT,FOLLOWER_PORT]");
  process.exit(64);
}
await loadCrc32c();
const disk = new CeilingDisk(fs.openSync(file, "w+", 0o600));
if (followers === undefined) {
  net.createServer((socket) => follow(socket, disk)).listen(Number(peerPort), "127.0.0.1");
} else {
  const leader = new Leader(disk, followers.split(",").map(Number));
  net.createServer((socket) => leader.accept(socket)).listen(Number(clientPort), "127.0.0.1");
}
