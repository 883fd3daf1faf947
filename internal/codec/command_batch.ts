/**
 * Commands for the state machine, in order, as one piece of bytes: what one log entry of kind `command` carries, and what the clients' room hands to
 * the node for one connection.
 *
 * The commands that reach a leader in one turn of its loop share an entry, so that the cost of an entry (its header, its
 * checksum, its place in every message and in every queue) is paid once for all of them. Batches put one behind another are a batch.
 *
 * | bytes | what |
 * | --- | --- |
 * | 4, then n | length of the first command, little-endian, then the command |
 * | 4, then n | the same for the next one, to the end of the payload |
 *
 * @module
 */
import { readUint32, writeUint32 } from "../base/bytes.ts";
import { encodeCommandInto, encodedLength, type Operation, type WordPlaces } from "./command.ts";

const LENGTH_BYTES = 4;

/** Commands that stand in a piece of memory, among others maybe. */
export interface CommandBatch {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  /** How many commands there are. */
  readonly count: number;
}

/** Packed commands are cut out of pieces of this size; whoever holds a batch holds its piece. */
const PIECE_BYTES = 64 * 1024;

/** Puts commands one behind another as they come; nothing is allocated for one command. */
export class CommandPacker {
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where the batch begins, and where it ends so far. */
  #start = 0;
  #end = 0;
  #count = 0;
  #last = 0;

  /** Commands and bytes of the batch so far. */
  get count(): number {
    return this.#count;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Where the newest command of the batch stands, up to where the batch ends. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get lastFrom(): number {
    return this.#last;
  }

  get lastTo(): number {
    return this.#end;
  }

  /** Adds a command with the arguments from `first` to below `end`, which are copied, and with that many empty ones behind them. */
  add(operation: Operation, places: WordPlaces, first: number, end: number, emptyArguments: number): void {
    const length = encodedLength(places, first, end) + emptyArguments;
    const at = this.#room(length);
    encodeCommandInto(this.#bytes, at, operation, places, first, end);
    for (let i = at + length - emptyArguments; i < at + length; i++) this.#bytes[i] = 0;
  }

  /** Adds a command that has its encoding. */
  addEncoded(command: Uint8Array): void {
    const at = this.#room(command.length);
    this.#bytes.set(command, at);
  }

  /** Gives the batch, and begins the next one. */
  take(): CommandBatch {
    const batch = { bytes: this.#bytes, from: this.#start, to: this.#end, count: this.#count };
    this.#start = this.#end;
    this.#count = 0;
    return batch;
  }

  /** Makes room for a command and writes its length; gives the place. */
  #room(length: number): number {
    const needed = LENGTH_BYTES + length;
    if (this.#end + needed > this.#bytes.length) {
      const batch = this.#bytes.subarray(this.#start, this.#end);
      // What is long fills a piece of its own; a batch that grows does so in few steps.
      const length = batch.length === 0 ? needed : 2 * (batch.length + needed);
      this.#bytes = new Uint8Array(Math.max(PIECE_BYTES, length));
      this.#bytes.set(batch);
      this.#start = 0;
      this.#end = batch.length;
    }
    const at = this.#end + LENGTH_BYTES;
    writeUint32(this.#bytes, this.#end, length);
    this.#end += needed;
    this.#count++;
    this.#last = at;
    return at;
  }
}

/** Puts commands that have their encoding into one batch. */
export function encodeCommandBatch(commands: readonly Uint8Array[]): Uint8Array {
  const batch = new Uint8Array(commands.reduce((sum, command) => sum + LENGTH_BYTES + command.length, 0));
  let at = 0;
  for (const command of commands) {
    writeUint32(batch, at, command.length);
    batch.set(command, at + LENGTH_BYTES);
    at += LENGTH_BYTES + command.length;
  }
  return batch;
}

/** The commands of a batch, as views of it; or, where its lengths do not add up, the reason as a text. */
export function decodeCommandBatch(batch: Uint8Array): Uint8Array[] | string {
  const count = countCommands(batch, 0, batch.length);
  if (typeof count === "string") return count;
  const commands: Uint8Array[] = [];
  for (let at = 0; at < batch.length;) {
    const from = at + LENGTH_BYTES;
    at = endOfCommand(batch, at);
    commands.push(batch.subarray(from, at));
  }
  return commands;
}

/** How many commands stand there; or, where the lengths do not add up, the reason as a text. */
export function countCommands(bytes: Uint8Array, from: number, to: number): number | string {
  let count = 0;
  for (let at = from; at < to; count++) {
    const left = to - at - LENGTH_BYTES;
    if (left < 0) return `${to - at} bytes are left where a length has ${LENGTH_BYTES}`;
    const length = readUint32(bytes, at);
    if (length > left) return `a command has ${length} bytes, ${left} are left`;
    at += LENGTH_BYTES + length;
  }
  return count;
}

/** Where the command begins whose length stands at this place. */
export function startOfCommand(at: number): number {
  return at + LENGTH_BYTES;
}

/** Where that command ends, and the next one's length stands; the lengths were found to add up. */
export function endOfCommand(bytes: Uint8Array, at: number): number {
  return at + LENGTH_BYTES + readUint32(bytes, at);
}
