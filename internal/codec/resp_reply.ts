/**
 * What clients receive: replies in RESP2, or in RESP3 for who said `HELLO 3`.
 *
 * Keeps true: bulk strings are length-prefixed and copied as they are, so nothing in a value can pass for protocol; simple strings and
 * errors hold no line break.
 *
 * @module
 */
import { assertNever } from "../base/assert.ts";
import { OK, type Reply } from "./reply.ts";
import { ReplyMemory, type Room } from "./reply_memory.ts";

/** The first piece of memory has so many bytes, or what the first reply needs. */
const INITIAL_BYTES = 64;
const CR = 13;
const LF = 10;

/** What a bulk string takes besides its bytes, at most. */
const BULK_BYTES = 48;

const encoder = new TextEncoder();

/** What a client that writes hears most often; given out again and again, so nobody may write to it. */
const OK_BYTES = encoder.encode("+OK\r\n");
const OK_ROOM: Room = { bytes: OK_BYTES, from: 0, to: OK_BYTES.length };
const NOTHING: Uint8Array = new Uint8Array(0);
const NO_ROOM: Room = { bytes: NOTHING, from: 0, to: 0 };

/** Gathers replies into one piece of bytes. */
export class ReplyWriter {
  readonly #memory: ReplyMemory;
  #room: Room = NO_ROOM;
  /** The room's bytes, and where the next one goes. */
  #bytes: Uint8Array = NOTHING;
  #at = 0;

  /** Those who write in turn may share the memory. */
  constructor(memory = new ReplyMemory()) {
    this.#memory = memory;
  }

  /** Bytes gathered so far. */
  get length(): number {
    return this.#at - this.#room.from;
  }

  /** Gives what was gathered, and begins anew. What is not sent at once is to be copied: it may be a view of much more. */
  take(): Uint8Array {
    const { bytes, from } = this.#room;
    const taken = from === 0 && bytes.length === this.#at ? bytes : bytes.subarray(from, this.#at);
    this.#memory.giveBack(this.#room, this.#at);
    this.#move(NO_ROOM, 0);
    return taken;
  }

  write(reply: Reply, resp3: boolean): void {
    if (reply === OK && this.#at === 0) {
      // The second reply will find no room, and move it to memory of our own.
      return this.#move(OK_ROOM, OK_BYTES.length);
    }
    switch (reply.type) {
      case "simple":
        return this.#line(43, reply.text);
      case "error":
        return this.#line(45, reply.text);
      case "integer":
        return this.#line(58, String(reply.value));
      case "bulk":
        this.#need(reply.bytes.length + BULK_BYTES);
        this.#line(36, String(reply.bytes.length));
        this.#bytes.set(reply.bytes, this.#at);
        this.#at += reply.bytes.length;
        return this.#lineEnd();
      case "null":
        return resp3 ? this.#line(95, "") : this.#line(36, "-1");
      case "array":
        this.#line(42, String(reply.items.length));
        for (const item of reply.items) this.write(item, resp3);
        return;
      case "map":
        if (resp3) this.#line(37, String(reply.pairs.length));
        else this.#line(42, String(reply.pairs.length * 2));
        for (const [key, value] of reply.pairs) {
          this.write(key, resp3);
          this.write(value, resp3);
        }
        return;
      default:
        return assertNever(reply, "A reply has a known type");
    }
  }

  #line(first: number, text: string): void {
    this.#need(text.length * 3 + 3);
    this.#bytes[this.#at++] = first;
    if (text.length < 24) {
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        if (code > 127) {
          this.#at += encoder.encodeInto(text.slice(i), this.#bytes.subarray(this.#at)).written;
          break;
        }
        this.#bytes[this.#at++] = code;
      }
    } else this.#at += encoder.encodeInto(text, this.#bytes.subarray(this.#at)).written;
    this.#lineEnd();
  }

  #lineEnd(): void {
    this.#bytes[this.#at++] = CR;
    this.#bytes[this.#at++] = LF;
  }

  #need(bytes: number): void {
    const room = this.#room;
    if (this.#at + bytes <= room.to) return;
    const { length } = this;
    const needed = Math.max(INITIAL_BYTES, 2 * (room.to - room.from), length + bytes);
    const longer = this.#memory.extend(room, needed);
    if (longer !== null) return this.#move(longer, this.#at);
    const other = this.#memory.take(needed);
    if (length > 0) other.bytes.set(room.bytes.subarray(room.from, this.#at), other.from);
    this.#move(other, other.from + length);
  }

  #move(room: Room, at: number): void {
    this.#room = room;
    this.#bytes = room.bytes;
    this.#at = at;
  }
}
