/**
 * The ceiling: what three processes on this machine can do at most, if nothing had to be decided.
 *
 * One leads because it was started so. A SET goes to the leader's file and to both followers as one record, a majority of three syncs
 * comes before the answer, a GET waits for one follower's word: the same bytes, the same checksums, the same waits as the real
 * thing, with no election, no term, no conflict, no recovery, no limit, no other command. The figures of the real thing are shown
 * as a share of these. What is the same in both is the same code: the line parser, the checksum, the frames, the table of keys.
 *
 *     bun tools/compare/ceiling.ts CLIENT_PORT PEER_PORT DATA_FILE [FOLLOWER_PORT,FOLLOWER_PORT]
 *
 * @module
 */
import * as net from "node:net";
import process from "node:process";
import { encodeCommand, findArguments, Operation } from "../../internal/codec/command.ts";
import {
  type CommandBatch,
  CommandPacker,
  endOfCommand,
  startOfCommand,
} from "../../internal/codec/command_batch.ts";
import { crc32c, loadCrc32c } from "../../internal/codec/crc32c.ts";
import { FRAME_HEADER_BYTES, FrameDecoder } from "../../internal/codec/frame.ts";
import { defaultRequestLimits, RequestDecoder } from "../../internal/codec/resp_request.ts";
import { KeyTable } from "../../internal/machine/key_table.ts";
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

/** Commands of one client and one turn: where they stand in the memory of the turn, and how many there are. */
interface Asked {
  readonly outlet: Outlet;
  count: number;
}

class Leader {
  readonly #disk: CeilingDisk;
  readonly #followers: { readonly socket: net.Socket; acknowledged: number }[] = [];
  readonly #table = new KeyTable();
  readonly #packer = new CommandPacker();
  #writes: Asked[] = [];
  #writeBytes: CommandBatch[] = [];
  #reads: { readonly outlet: Outlet; readonly batch: CommandBatch }[] = [];
  #turnEnds = false;
  #number = 0;
  #durable = 0;
  #committed = 0;
  readonly #appended = new Map<number, { readonly writes: readonly Asked[]; readonly payload: Uint8Array }>();
  #round = 0;
  #answered = 0;
  #reading: { readonly outlet: Outlet; readonly batch: CommandBatch }[] = [];

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
    const decoder = new RequestDecoder(defaultRequestLimits);
    socket.on("data", (chunk: Uint8Array) => {
      decoder.push(chunk);
      this.#take(decoder, outlet);
      if (this.#turnEnds) return;
      this.#turnEnds = true;
      setImmediate(() => this.#endTurn());
    });
    socket.on("error", () => {});
  }

  #take(decoder: RequestDecoder, outlet: Outlet): void {
    let isWrite = true;
    const submit = () => {
      if (this.#packer.count === 0) return;
      const batch = this.#packer.take();
      if (isWrite) {
        this.#writes.push({ outlet, count: batch.count });
        this.#writeBytes.push(batch);
      } else this.#reads.push({ outlet, batch });
    };
    while (true) {
      let words = decoder.scan();
      if (words === 0) {
        const left = decoder.next();
        if (!Array.isArray(left)) break;
        const command = encodeCommand(left.length === 3 ? Operation.set : Operation.get, left.slice(1));
        if (isWrite !== (left.length === 3)) submit();
        isWrite = left.length === 3;
        this.#packer.addEncoded(command);
        words = left.length;
        continue;
      }
      if (words === 1) {
        if (outlet.push(OK)) outlet.flush();
        continue;
      }
      if (isWrite !== (words === 3)) submit();
      isWrite = words === 3;
      this.#packer.add(isWrite ? Operation.set : Operation.get, decoder, 1, words, 0);
    }
    submit();
  }

  #endTurn(): void {
    this.#turnEnds = false;
    if (this.#reads.length > 0 && this.#reading.length === 0) this.#startRound();
    const writes = this.#writes;
    if (writes.length === 0) return;
    const batches = this.#writeBytes;
    this.#writes = [];
    this.#writeBytes = [];
    const number = ++this.#number;
    let bytes = RECORD_HEADER_BYTES;
    for (const { from, to } of batches) bytes += to - from;
    const frame = frameOf(APPEND, number, bytes);
    const record = frame.subarray(FRAME_HEADER_BYTES + MESSAGE_BYTES);
    let at = RECORD_HEADER_BYTES;
    for (const batch of batches) {
      record.set(batch.bytes.subarray(batch.from, batch.to), at);
      at += batch.to - batch.from;
    }
    new DataView(record.buffer, record.byteOffset).setUint32(4, crc32c(record));
    seal(frame);
    this.#appended.set(number, { writes, payload: record.subarray(RECORD_HEADER_BYTES) });
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
      const { writes, payload } = must(this.#appended.get(number), "What commits was appended");
      applyAll(this.#table, payload);
      for (const { outlet, count } of writes) {
        for (let i = 0; i < count; i++) if (outlet.push(OK)) outlets.push(outlet);
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
    for (const { outlet, batch } of this.#reading) {
      for (let at = batch.from; at < batch.to;) {
        const start = startOfCommand(at);
        at = endOfCommand(batch.bytes, at);
        findArguments(batch.bytes, start, at, bounds);
        const value = this.#table.get(batch.bytes, bounds[0] ?? 0, bounds[1] ?? 0);
        const head = value === undefined ? NIL : Buffer.from(`$${value.length}\r\n`);
        if (outlet.push(head)) outlets.push(outlet);
        if (value === undefined) continue;
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

const bounds: number[] = [];

function applyAll(table: KeyTable, payload: Uint8Array): void {
  for (let at = 0; at < payload.length;) {
    const start = startOfCommand(at);
    at = endOfCommand(payload, at);
    findArguments(payload, start, at, bounds);
    const [keyFrom = 0, keyTo = 0, valueFrom = 0, valueTo = 0] = bounds;
    table.set(payload, keyFrom, keyTo, payload, valueFrom, valueTo);
  }
}

/** Syncs what arrives, and says so; keeps the values, as a real follower does. */
function follow(socket: net.Socket, disk: CeilingDisk): void {
  const table = new KeyTable();
  socket.setNoDelay(true);
  listen(socket, (kind, number, rest) => {
    if (kind === ROUND) {
      socket.write(seal(frameOf(ROUND, number, 0)));
      return;
    }
    crc32c(rest.subarray(RECORD_HEADER_BYTES));
    disk.append(rest, (isLast) => {
      applyAll(table, rest.subarray(RECORD_HEADER_BYTES));
      if (isLast) socket.write(seal(frameOf(ACKNOWLEDGE, number, 0)));
    });
  });
}

const [clientPort, peerPort, file, followers] = process.argv.slice(2);
if (clientPort === undefined || peerPort === undefined || file === undefined) {
  console.error("usage: ceiling.ts CLIENT_PORT PEER_PORT DATA_FILE [FOLLOWER_PORT,FOLLOWER_PORT]");
  process.exit(64);
}
await loadCrc32c();
const disk = new CeilingDisk(file);
if (followers === undefined) {
  net.createServer((socket) => follow(socket, disk)).listen(Number(peerPort), "127.0.0.1");
} else {
  const leader = new Leader(disk, followers.split(",").map(Number));
  net.createServer((socket) => leader.accept(socket)).listen(Number(clientPort), "127.0.0.1");
}
