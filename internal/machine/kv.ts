/**
 * The replicated key-value store: what each command does to the table of keys.
 *
 * Keys and values are byte strings. A command is read where it stands: nothing is made of it but what it stores or answers.
 *
 * Keeps true: see machine.ts. What is stored is a copy, and so is what is answered: nothing here holds on to a network buffer, and
 * no answer changes when the state does.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { bytesOfLatin1, latin1Of } from "../base/latin1.ts";
import { errorReply, NULL, OK, type Reply, replyBytes } from "../codec/reply.ts";
import { findArguments, Operation } from "../codec/command.ts";
import { matchesGlob } from "../base/glob.ts";
import { fitsInt64, parseInt64 } from "./integer.ts";
import { KeyValueCapture } from "./capture.ts";
import { readImage } from "./image.ts";
import { compareBytes, compareKeys, hashOf } from "./key_hash.ts";
import { KeyTable } from "./key_table.ts";
import type { Capture, Restoration, StateMachine } from "./machine.ts";

/** The longest value, as in Redis; part of the format, not a setting: every server must come to the same answer. */
const VALUE_BYTES_MAX = 512 * 1024 * 1024;

/** The longest answer; a part of it can be asked for. Whoever hands an answer on may rely on that. */
const ANSWER_BYTES_MAX = 12 * 1024 * 1024;
/** Shorter values are not worth looking up how long they are. */
const SHORT_BYTES = 4096;
/** Commands that are looked ahead to: more would push each other out of the cache. */
const EXPECTED_MAX = 16;
/** What a key of an answer counts for, before it is known how long it is. */
const KEY_BYTES = 32;

const NOT_AN_INTEGER = errorReply("ERR value is not an integer or out of range");

function integer(value: bigint | number): Reply {
  return { type: "integer", value };
}

function bulk(bytes: Uint8Array | undefined): Reply {
  return bytes === undefined ? NULL : { type: "bulk", bytes };
}

/** Why something is no answer. */
function objectionTo(reply: Reply): Reply | null {
  const bytes = reply.type === "bulk" ? reply.bytes.length : reply.type === "array" ? replyBytes(reply) : 0;
  if (bytes <= ANSWER_BYTES_MAX) return null;
  return errorReply(
    `ERR the answer would have ${bytes} bytes, the limit is ${ANSWER_BYTES_MAX}: ask for a part of it (GETRANGE, fewer keys, SCAN)`,
  );
}

/** The hash of the first argument, if it is a short one, as a key; else that of nothing. */
function hashOfFirst(bytes: Uint8Array, from: number, to: number): number {
  const length = bytes[from + 1] ?? 0;
  const key = from + 2;
  return length > 127 || key + length > to ? 0 : hashOf(bytes, key, key + length);
}

/** The letters of SET's options. */
const ONLY_NEW = 78;
const ONLY_THERE = 88;
const WANTS_OLD = 71;

export class KeyValueMachine implements StateMachine {
  #table = new KeyTable();
  /** Whoever reads an earlier state at the moment. */
  #capture: KeyValueCapture | null = null;
  /** The longest value that was ever put there. */
  #longestBytes = 0;
  /** The command under way: its bytes, its operation, how many arguments it has, and where they stand. */
  #bytes: Uint8Array = new Uint8Array(0);
  #operation = 0;
  #count = 0;
  readonly #bounds: number[] = [];
  /** Of the commands that come next the hash of the key, then where it may be. */
  readonly #near = new Int32Array(EXPECTED_MAX);
  /** What was read only to have it near; kept, so that no compiler finds that nobody needs it. */
  readonly #touched = new Int32Array(1);

  size(): number {
    return this.#table.size;
  }

  digest(): number {
    return this.#table.digest;
  }

  capture(): Capture {
    assert(this.#capture === null, "One state is captured at a time");
    const table = this.#table;
    const capture = new KeyValueCapture(table.show(), table.digest, () => {
      table.hide();
      if (this.#capture === capture) this.#capture = null;
    });
    this.#capture = capture;
    return capture;
  }

  restore(): Restoration {
    const table = new KeyTable();
    let last: { readonly hash: number; readonly key: Uint8Array } | null = null;
    return {
      take: (chunk) => {
        const objection = readImage(chunk, (key, value) => {
          const hash = hashOf(key, 0, key.length);
          if (last !== null && compareKeys(hash, key, last.hash, last.key) <= 0) {
            return "the keys of the image are not in order";
          }
          last = { hash, key };
          table.set(key, 0, key.length, value, 0, value.length);
          this.#longestBytes = Math.max(this.#longestBytes, value.length);
          return null;
        });
        // The chunk is the caller's again.
        if (last !== null) last = { hash: last.hash, key: last.key.slice() };
        return objection;
      },
      finish: (expected) => {
        if (table.digest !== expected) return `the digest is ${table.digest}, the snapshot says ${expected}`;
        this.#replace(table);
        return null;
      },
    };
  }

  expect(bytes: Uint8Array, places: Int32Array, count: number): void {
    const near = this.#near;
    const expected = Math.min(count, near.length);
    // Every hash, then every search, then every pair: no wait for memory depends on another one, and between two of them there is
    // so little to do that the processor meets the next one before the first is over.
    for (let i = 0; i < expected; i++) {
      near[i] = hashOfFirst(bytes, places[2 * i] ?? 0, places[2 * i + 1] ?? 0);
    }
    for (let i = 0; i < expected; i++) near[i] = this.#table.guess(near[i] ?? 0);
    let sum = 0;
    for (let i = 0; i < expected; i++) sum ^= this.#table.touch(near[i] ?? 0);
    this.#touched[0] = sum;
  }

  apply(command: Uint8Array): Reply {
    return this.applyAt(command, 0, command.length);
  }

  read(command: Uint8Array): Reply {
    return this.readAt(command, 0, command.length);
  }

  applyAt(bytes: Uint8Array, from: number, to: number): Reply {
    const reason = this.#find(bytes, from, to);
    if (reason !== null) return reason;
    switch (this.#operation) {
      case Operation.set:
        if (this.#count < 3) break;
        return this.#set();
      case Operation.del: {
        let deleted = 0;
        for (let i = 0; i < this.#count; i++) if (this.#delete(i)) deleted++;
        return integer(deleted);
      }
      case Operation.incrBy:
        if (this.#count < 2) break;
        return this.#incrBy();
      case Operation.append:
        if (this.#count < 2) break;
        return this.#append();
      case Operation.mset:
        if (this.#count % 2 !== 0) break;
        for (let i = 0; i < this.#count; i += 2) this.#put(i, i + 1);
        return OK;
      case Operation.setnx:
        if (this.#count < 2) break;
        if (this.#has(0)) return integer(0);
        this.#put(0, 1);
        return integer(1);
      case Operation.getdel: {
        if (this.#count < 1) break;
        const old = bulk(this.#get(0));
        const tooLong = objectionTo(old);
        if (tooLong !== null) return tooLong;
        this.#delete(0);
        return old;
      }
      case Operation.check:
        return OK;
      case Operation.flush:
        this.#replace(new KeyTable());
        return OK;
    }
    return this.#malformed();
  }

  answerBytesAt(bytes: Uint8Array, from: number, to: number): number {
    const operation = bytes[from] ?? 0;
    const ofKeys = operation === Operation.keys || operation === Operation.scan;
    // Most often there is nothing long to be answered.
    if (!ofKeys && this.#longestBytes < SHORT_BYTES || this.#find(bytes, from, to) !== null) return 0;
    switch (operation) {
      case Operation.get:
      case Operation.getrange:
      case Operation.getdel:
        return this.#lengthOf(0);
      case Operation.set:
        return this.#bytes.indexOf(WANTS_OLD, this.#from(2)) < 0 ? 0 : this.#lengthOf(0);
      case Operation.mget: {
        let sum = 0;
        for (let i = 0; i < this.#count; i++) sum += this.#lengthOf(i);
        return Math.min(sum, ANSWER_BYTES_MAX);
      }
      case Operation.scan:
        return Math.min(Number(latin1Of(this.#argument(1))), this.size()) * KEY_BYTES;
      case Operation.keys:
        return this.size() * KEY_BYTES;
      default:
        return 0;
    }
  }

  readAt(bytes: Uint8Array, from: number, to: number): Reply {
    const reply = this.#readAt(bytes, from, to);
    return objectionTo(reply) ?? reply;
  }

  #readAt(bytes: Uint8Array, from: number, to: number): Reply {
    const reason = this.#find(bytes, from, to);
    if (reason !== null) return reason;
    const count = this.#count;
    switch (this.#operation) {
      case Operation.get:
        if (count < 1) break;
        return bulk(this.#get(0));
      case Operation.exists: {
        let found = 0;
        for (let i = 0; i < count; i++) if (this.#has(i)) found++;
        return integer(found);
      }
      case Operation.strlen:
        if (count < 1) break;
        return integer(this.#lengthOf(0));
      case Operation.mget:
        return { type: "array", items: Array.from({ length: count }, (_, i) => bulk(this.#get(i))) };
      case Operation.dbsize:
        return integer(this.#table.size);
      case Operation.scan:
        if (count < 3) break;
        return this.#scan(this.#argument(0), Number(latin1Of(this.#argument(1))), this.#argument(2));
      case Operation.keys:
        if (count < 1) break;
        return this.#matching(this.#argument(0));
      case Operation.getrange:
        if (count < 3) break;
        return this.#getRange(this.#argument(1), this.#argument(2));
    }
    return this.#malformed();
  }

  /** Finds the arguments; or says what is answered where there are none to find. */
  #find(bytes: Uint8Array, from: number, to: number): Reply | null {
    const count = findArguments(bytes, from, to, this.#bounds);
    if (typeof count === "string") return errorReply(`ERR the command is malformed: ${count}`);
    this.#bytes = bytes;
    this.#operation = bytes[from] ?? 0;
    this.#count = count;
    return null;
  }

  #malformed(): Reply {
    return errorReply(
      `ERR the command is malformed: operation ${this.#operation} with ${this.#count} arguments`,
    );
  }

  /* ---- the arguments of the command under way, by their number ---- */

  #from(argument: number): number {
    return this.#bounds[2 * argument] ?? 0;
  }

  #to(argument: number): number {
    return this.#bounds[2 * argument + 1] ?? 0;
  }

  /** A view. */
  #argument(argument: number): Uint8Array {
    return this.#bytes.subarray(this.#from(argument), this.#to(argument));
  }

  #get(key: number): Uint8Array | undefined {
    return this.#table.get(this.#bytes, this.#from(key), this.#to(key));
  }

  #lengthOf(key: number): number {
    return this.#table.lengthOf(this.#bytes, this.#from(key), this.#to(key));
  }

  #has(key: number): boolean {
    return this.#table.has(this.#bytes, this.#from(key), this.#to(key));
  }

  #delete(key: number): boolean {
    return this.#table.delete(this.#bytes, this.#from(key), this.#to(key));
  }

  #put(key: number, value: number): void {
    const bytes = this.#bytes;
    const from = this.#from(value);
    const to = this.#to(value);
    if (to - from > this.#longestBytes) this.#longestBytes = to - from;
    this.#table.set(bytes, this.#from(key), this.#to(key), bytes, from, to);
  }

  #putBytes(key: number, value: Uint8Array): void {
    if (value.length > this.#longestBytes) this.#longestBytes = value.length;
    this.#table.set(this.#bytes, this.#from(key), this.#to(key), value, 0, value.length);
  }

  /** Another state takes the place of this one; whoever reads the old one goes on reading it, as nobody changes it any more. */
  #replace(table: KeyTable): void {
    this.#table = table;
    this.#capture = null;
  }

  /* ---- what commands do ---- */

  #set(): Reply {
    let onlyNew = false;
    let onlyThere = false;
    let wantsOld = false;
    for (let at = this.#from(2); at < this.#to(2); at++) {
      const option = this.#bytes[at];
      if (option === ONLY_NEW) onlyNew = true;
      else if (option === ONLY_THERE) onlyThere = true;
      else if (option === WANTS_OLD) wantsOld = true;
    }
    const old = wantsOld ? this.#get(0) : undefined;
    const tooLong = objectionTo(bulk(old));
    if (tooLong !== null) return tooLong;
    const refused = onlyNew ? this.#has(0) : onlyThere ? !this.#has(0) : false;
    if (!refused) this.#put(0, 1);
    if (wantsOld) return bulk(old);
    return refused ? NULL : OK;
  }

  #incrBy(): Reply {
    const old = this.#get(0);
    const value = old === undefined ? 0n : parseInt64(old);
    const by = parseInt64(this.#argument(1));
    if (value === null || by === null) return NOT_AN_INTEGER;
    const sum = value + by;
    if (!fitsInt64(sum)) return errorReply("ERR increment or decrement would overflow");
    this.#putBytes(0, bytesOfLatin1(String(sum)));
    return integer(sum);
  }

  #append(): Reply {
    const old = this.#get(0) ?? new Uint8Array(0);
    const tail = this.#argument(1);
    const length = old.length + tail.length;
    if (length > VALUE_BYTES_MAX) {
      return errorReply("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    }
    const joined = new Uint8Array(length);
    joined.set(old);
    joined.set(tail, old.length);
    this.#putBytes(0, joined);
    return integer(length);
  }

  /** A page of keys in the order of the table: the key to go on behind, or null at the end; and those of the page that match. */
  #scan(from: Uint8Array, count: number, pattern: Uint8Array): Reply {
    const keys: Reply[] = [];
    let looked = 0;
    let last: Uint8Array | null = null;
    for (const key of this.#table.keysAfter(from[0] === 49 ? from.subarray(1) : null)) {
      if (looked >= count) {
        const items: readonly Reply[] = [bulk(last?.slice() ?? new Uint8Array(0)), {
          type: "array",
          items: keys,
        }];
        return { type: "array", items };
      }
      looked++;
      last = key;
      if (matchesGlob(pattern, key)) keys.push(bulk(key.slice()));
    }
    return { type: "array", items: [NULL, { type: "array", items: keys }] };
  }

  /** In the order of bytes. */
  #matching(pattern: Uint8Array): Reply {
    const keys: Uint8Array[] = [];
    for (const key of this.#table.keys()) if (matchesGlob(pattern, key)) keys.push(key.slice());
    return { type: "array", items: keys.sort(compareBytes).map(bulk) };
  }

  #getRange(first: Uint8Array, last: Uint8Array): Reply {
    const [from, to] = [parseInt64(first), parseInt64(last)];
    if (from === null || to === null) return NOT_AN_INTEGER;
    const value = this.#get(0) ?? new Uint8Array(0);
    const length = BigInt(value.length);
    if (from < 0n && to < 0n && from > to) return bulk(new Uint8Array(0));
    const start = from < 0n ? (from + length < 0n ? 0n : from + length) : from;
    const stop = to < 0n ? (to + length < 0n ? 0n : to + length) : to >= length ? length - 1n : to;
    if (start > stop || length === 0n) return bulk(new Uint8Array(0));
    return bulk(value.subarray(Number(start), Number(stop) + 1));
  }
}
