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

/** Packed commands are cut out of pieces of this size; whoever holds a batch holds its piece. */
const PIECE_BYTES = 64 * 1024;

/** Puts commands one behind another as they come; nothing is allocated for one command. */
export class CommandPacker {
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where the batch begins, and where it ends so far. */
  #start = 0;
  #end = 0;
  #count = 0;

  /** Commands and bytes of the batch so far. */
  get count(): number {
    return this.#count;
  }

  get length(): number {
    return this.#end - this.#start;
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
  take(): Uint8Array {
    const batch = this.#bytes.subarray(this.#start, this.#end);
    this.#start = this.#end;
    this.#count = 0;
    return batch;
  }

  /** Makes room for a command and writes its length; gives the place. */
  #room(length: number): number {
    const needed = LENGTH_BYTES + length;
    if (this.#end + needed > this.#bytes.length) {
      const batch = this.#bytes.subarray(this.#start, this.#end);
      this.#bytes = new Uint8Array(Math.max(PIECE_BYTES, 2 * (batch.length + needed)));
      this.#bytes.set(batch);
      this.#start = 0;
      this.#end = batch.length;
    }
    const at = this.#end + LENGTH_BYTES;
    writeUint32(this.#bytes, this.#end, length);
    this.#end += needed;
    this.#count++;
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
  const commands: Uint8Array[] = [];
  const count = forEachCommand(batch, (from, to) => void commands.push(batch.subarray(from, to)));
  return typeof count === "string" ? count : commands;
}

/** How many commands there are; or, where the lengths do not add up, the reason as a text. */
export function countCommands(batch: Uint8Array): number | string {
  return forEachCommand(batch, () => {});
}

/** Tells where each command stands, up to where the lengths do not add up; then how many there were, or the reason. */
function forEachCommand(batch: Uint8Array, found: (from: number, to: number) => void): number | string {
  let count = 0;
  for (let at = 0; at < batch.length; count++) {
    if (batch.length - at < LENGTH_BYTES) {
      return `${batch.length - at} bytes are left where a length has ${LENGTH_BYTES}`;
    }
    const length = readUint32(batch, at);
    at += LENGTH_BYTES;
    if (length > batch.length - at) return `a command has ${length} bytes, ${batch.length - at} are left`;
    found(at, at + length);
    at += length;
  }
  return count;
}
