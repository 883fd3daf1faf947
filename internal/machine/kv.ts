/**
 * The replicated key-value store.
 *
 * Keys are byte strings, kept as strings of one character per byte. A hash map finds values; a B+tree keeps the keys in an order that is
 * the same everywhere and is touched only when a key comes or goes, since comparing strings along a tree costs several times
 * what all else does to a write. Values are byte strings and never changed in place.
 *
 * Keeps true: see machine.ts. A value is copied when it is stored: nothing here holds on to a network buffer.
 *
 * @module
 */
import { BTree, type SortedTree } from "../../deps/sorted_btree.ts";
import { assert } from "../base/assert.ts";
import { bytesOfLatin1, latin1Of } from "../base/latin1.ts";
import { errorReply, NULL, OK, type Reply } from "../codec/reply.ts";
import { decodeCommand, Operation } from "../codec/command.ts";
import { matchesGlob } from "../base/glob.ts";
import { fitsInt64, parseInt64 } from "./integer.ts";
import { KeyValueCapture } from "./capture.ts";
import { Digest } from "./digest.ts";
import { readImage } from "./image.ts";
import type { Capture, Restoration, StateMachine } from "./machine.ts";

/** The longest value, as in Redis; part of the format, not a setting: every server must come to the same answer. */
const VALUE_BYTES_MAX = 512 * 1024 * 1024;

const NOT_AN_INTEGER = errorReply("ERR value is not an integer or out of range");

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function integer(value: bigint | number): Reply {
  return { type: "integer", value };
}

function bulk(bytes: Uint8Array | undefined): Reply {
  return bytes === undefined ? NULL : { type: "bulk", bytes };
}

export class KeyValueMachine implements StateMachine {
  #values = new Map<string, Uint8Array>();
  /** The keys of `#values`, in order. */
  #keys: SortedTree<string, null> = new BTree(undefined, compareKeys);
  #digest = new Digest();
  /** Whoever reads an earlier state at the moment. */
  #capture: KeyValueCapture | null = null;

  size(): number {
    return this.#values.size;
  }

  digest(): number {
    return this.#digest.value;
  }

  capture(): Capture {
    assert(this.#capture === null, "One state is captured at a time");
    const capture = new KeyValueCapture(this.#values, this.#keys.clone(), this.#digest.value, () => {
      if (this.#capture === capture) this.#capture = null;
    });
    this.#capture = capture;
    return capture;
  }

  restore(): Restoration {
    const values = new Map<string, Uint8Array>();
    const keys: SortedTree<string, null> = new BTree(undefined, compareKeys);
    const digest = new Digest();
    let last: string | null = null;
    return {
      take: (chunk) =>
        readImage(chunk, (bytes, value) => {
          const key = latin1Of(bytes);
          if (last !== null && key <= last) return "the keys of the image are not in order";
          last = key;
          values.set(key, value.slice());
          keys.set(key, null);
          digest.add(bytes, value);
          return null;
        }),
      finish: (expected) => {
        if (digest.value !== expected) return `the digest is ${digest.value}, the snapshot says ${expected}`;
        this.#replace(values, keys, digest);
        return null;
      },
    };
  }

  apply(command: Uint8Array): Reply {
    const decoded = decodeCommand(command);
    if (typeof decoded === "string") return errorReply(`ERR the command is malformed: ${decoded}`);
    const { operation, args } = decoded;
    const [first, second, third] = args;
    switch (operation) {
      case Operation.set:
        if (first === undefined || second === undefined || third === undefined) break;
        return this.#set(latin1Of(first), second, latin1Of(third));
      case Operation.del:
        return integer(args.reduce((count, key) => count + (this.#delete(latin1Of(key)) ? 1 : 0), 0));
      case Operation.incrBy:
        if (first === undefined || second === undefined) break;
        return this.#incrBy(latin1Of(first), second);
      case Operation.append:
        if (first === undefined || second === undefined) break;
        return this.#append(latin1Of(first), second);
      case Operation.mset:
        if (args.length % 2 !== 0) break;
        for (let i = 0; i < args.length; i += 2) {
          const [key, value] = [args[i], args[i + 1]];
          if (key !== undefined && value !== undefined) this.#put(latin1Of(key), value.slice());
        }
        return OK;
      case Operation.setnx: {
        if (first === undefined || second === undefined) break;
        const key = latin1Of(first);
        if (this.#values.has(key)) return integer(0);
        this.#put(key, second.slice());
        return integer(1);
      }
      case Operation.getdel: {
        if (first === undefined) break;
        const key = latin1Of(first);
        const old = bulk(this.#values.get(key));
        this.#delete(key);
        return old;
      }
      case Operation.check:
        return OK;
      case Operation.flush:
        this.#replace(new Map(), new BTree(undefined, compareKeys), new Digest());
        return OK;
    }
    return errorReply(`ERR the command is malformed: operation ${operation} with ${args.length} arguments`);
  }

  read(command: Uint8Array): Reply {
    const decoded = decodeCommand(command);
    if (typeof decoded === "string") return errorReply(`ERR the command is malformed: ${decoded}`);
    const { operation, args } = decoded;
    const [first, second, third] = args;
    switch (operation) {
      case Operation.get:
        if (first === undefined) break;
        return bulk(this.#values.get(latin1Of(first)));
      case Operation.exists:
        return integer(args.reduce((count, key) => count + (this.#values.has(latin1Of(key)) ? 1 : 0), 0));
      case Operation.strlen:
        if (first === undefined) break;
        return integer(this.#values.get(latin1Of(first))?.length ?? 0);
      case Operation.mget:
        return { type: "array", items: args.map((key) => bulk(this.#values.get(latin1Of(key)))) };
      case Operation.dbsize:
        return integer(this.#values.size);
      case Operation.scan:
        if (first === undefined || second === undefined || third === undefined) break;
        return this.#scan(first, Number(latin1Of(second)), third);
      case Operation.keys:
        if (first === undefined) break;
        return this.#matching(first);
      case Operation.getrange:
        if (first === undefined || second === undefined || third === undefined) break;
        return this.#getRange(latin1Of(first), second, third);
    }
    return errorReply(`ERR the command is malformed: operation ${operation} with ${args.length} arguments`);
  }

  /** Another state takes the place of this one; whoever reads the old one goes on reading it, as nobody changes it any more. */
  #replace(values: Map<string, Uint8Array>, keys: SortedTree<string, null>, digest: Digest): void {
    this.#values = values;
    this.#keys = keys;
    this.#digest = digest;
    this.#capture = null;
  }

  #put(key: string, value: Uint8Array): void {
    const old = this.#values.get(key);
    const bytes = bytesOfLatin1(key);
    if (old === undefined) this.#keys.set(key, null);
    else {
      this.#capture?.keep(key, old);
      this.#digest.remove(bytes, old);
    }
    this.#values.set(key, value);
    this.#digest.add(bytes, value);
  }

  #delete(key: string): boolean {
    const old = this.#values.get(key);
    if (old === undefined) return false;
    this.#capture?.keep(key, old);
    this.#digest.remove(bytesOfLatin1(key), old);
    this.#values.delete(key);
    this.#keys.delete(key);
    return true;
  }

  #set(key: string, value: Uint8Array, options: string): Reply {
    const wantsOld = options.includes("G");
    const old = this.#values.get(key);
    const refused = options.includes("N")
      ? old !== undefined
      : options.includes("X")
      ? old === undefined
      : false;
    if (!refused) this.#put(key, value.slice());
    if (wantsOld) return bulk(old);
    return refused ? NULL : OK;
  }

  #incrBy(key: string, delta: Uint8Array): Reply {
    const old = this.#values.get(key);
    const value = old === undefined ? 0n : parseInt64(old);
    const by = parseInt64(delta);
    if (value === null || by === null) return NOT_AN_INTEGER;
    const sum = value + by;
    if (!fitsInt64(sum)) return errorReply("ERR increment or decrement would overflow");
    this.#put(key, bytesOfLatin1(String(sum)));
    return integer(sum);
  }

  #append(key: string, tail: Uint8Array): Reply {
    const old = this.#values.get(key) ?? new Uint8Array(0);
    const length = old.length + tail.length;
    if (length > VALUE_BYTES_MAX) {
      return errorReply("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    }
    const joined = new Uint8Array(length);
    joined.set(old);
    joined.set(tail, old.length);
    this.#put(key, joined);
    return integer(length);
  }

  /** A page of keys in order: the key to go on behind, or null at the end; and those of the page that match. */
  #scan(from: Uint8Array, count: number, pattern: Uint8Array): Reply {
    const after = from[0] === 49 ? latin1Of(from.subarray(1)) : null;
    const keys: Reply[] = [];
    let looked = 0;
    let last: string | null = null;
    for (const key of this.#keys.keys(after ?? undefined)) {
      if (key === after) continue;
      if (looked >= count) {
        return { type: "array", items: [bulk(bytesOfLatin1(last ?? "")), { type: "array", items: keys }] };
      }
      looked++;
      last = key;
      const bytes = bytesOfLatin1(key);
      if (matchesGlob(pattern, bytes)) keys.push(bulk(bytes));
    }
    return { type: "array", items: [NULL, { type: "array", items: keys }] };
  }

  #matching(pattern: Uint8Array): Reply {
    const items: Reply[] = [];
    for (const key of this.#keys.keys()) {
      const bytes = bytesOfLatin1(key);
      if (matchesGlob(pattern, bytes)) items.push(bulk(bytes));
    }
    return { type: "array", items };
  }

  #getRange(key: string, first: Uint8Array, last: Uint8Array): Reply {
    const [from, to] = [parseInt64(first), parseInt64(last)];
    if (from === null || to === null) return NOT_AN_INTEGER;
    const value = this.#values.get(key) ?? new Uint8Array(0);
    const length = BigInt(value.length);
    if (from < 0n && to < 0n && from > to) return bulk(new Uint8Array(0));
    const start = from < 0n ? (from + length < 0n ? 0n : from + length) : from;
    const stop = to < 0n ? (to + length < 0n ? 0n : to + length) : to >= length ? length - 1n : to;
    if (start > stop || length === 0n) return bulk(new Uint8Array(0));
    return bulk(value.subarray(Number(start), Number(stop) + 1));
  }
}
