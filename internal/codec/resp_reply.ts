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

/** The first piece of memory has so many bytes, or what the first reply needs. */
const INITIAL_BYTES = 64;
const CR = 13;
const LF = 10;

/** What a bulk string takes besides its bytes, at most. */
const BULK_BYTES = 48;

const encoder = new TextEncoder();

/** What a client that writes hears most often; given out again and again, so nobody may write to it. */
const OK_BYTES = encoder.encode("+OK\r\n");
const NOTHING: Uint8Array = new Uint8Array(0);

/** Gathers replies into one piece of bytes. */
export class ReplyWriter {
  #bytes: Uint8Array = NOTHING;
  #length = 0;

  /** Bytes gathered so far. */
  get length(): number {
    return this.#length;
  }

  /** Gives what was gathered, and begins anew. */
  take(): Uint8Array {
    const taken = this.#bytes.length === this.#length ? this.#bytes : this.#bytes.subarray(0, this.#length);
    this.#bytes = NOTHING;
    this.#length = 0;
    return taken;
  }

  write(reply: Reply, resp3: boolean): void {
    if (reply === OK && this.#length === 0) {
      // The second reply will find no room, and move it to memory of our own.
      this.#bytes = OK_BYTES;
      this.#length = OK_BYTES.length;
      return;
    }
    switch (reply.type) {
      case "simple":
        return this.#line(43, reply.text);
      case "error":
        return this.#line(45, reply.text);
      case "integer":
        return this.#line(58, String(reply.value));
      case "bulk":
        this.#room(reply.bytes.length + BULK_BYTES);
        this.#line(36, String(reply.bytes.length));
        this.#bytes.set(reply.bytes, this.#length);
        this.#length += reply.bytes.length;
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
    this.#room(text.length * 3 + 3);
    this.#bytes[this.#length++] = first;
    if (text.length < 24) {
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        if (code > 127) {
          this.#length += encoder.encodeInto(text.slice(i), this.#bytes.subarray(this.#length)).written;
          break;
        }
        this.#bytes[this.#length++] = code;
      }
    } else this.#length += encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
    this.#lineEnd();
  }

  #lineEnd(): void {
    this.#bytes[this.#length++] = CR;
    this.#bytes[this.#length++] = LF;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(INITIAL_BYTES, 2 * this.#bytes.length, this.#length + bytes));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
