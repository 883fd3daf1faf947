/**
 * What a command answers, before anybody chose how to write it down.
 *
 * The first word of an error is its certainty, and a client can be correct by reading it alone:
 *  - `ERR`, `WRONGTYPE`, `NOLEADER`, `BUSY` and every other first word: it certainly did not happen and never will;
 *  - `UNKNOWN`: it may or may not have happened, or may yet happen.
 *
 * @module
 */
import { assertNever } from "../base/assert.ts";
import { type CborValue, CborWriter, decodeCborSequence } from "./cbor.ts";

export type Reply =
  /** `+OK` and its like. No line breaks. */
  | { readonly type: "simple"; readonly text: string }
  /** `-ERR ...`, without the dash. No line breaks. */
  | { readonly type: "error"; readonly text: string }
  /** A signed 64-bit integer. */
  | { readonly type: "integer"; readonly value: bigint | number }
  | { readonly type: "bulk"; readonly bytes: Uint8Array }
  | { readonly type: "null" }
  | { readonly type: "array"; readonly items: readonly Reply[] }
  /** Pairs, in order; RESP2 writes them as one flat array. */
  | { readonly type: "map"; readonly pairs: readonly (readonly [Reply, Reply])[] };

/** `+OK`, the commonest of all. */
export const OK: Reply = { type: "simple", text: "OK" };
/** The null reply. */
export const NULL: Reply = { type: "null" };

/** An error reply; `text` begins with its certainty word. Line breaks become spaces. */
export function errorReply(text: string): Reply {
  return { type: "error", text: text.replaceAll(/[\r\n]+/g, " ") };
}

/** Bytes that a reply takes besides those of a bulk string. */
const REPLY_BYTES = 16;

/** What one write is answered most often. */
const ONE_OK = encode([OK]);

/** The answers to a batch as they travel between servers: CBOR `[code, ...]` for each, one behind another. */
export function encodeReplies(replies: readonly Reply[]): Uint8Array {
  return replies.length === 1 && replies[0] === OK ? ONE_OK : encode(replies);
}

/** About how many bytes a reply takes on its way; a few more than it does. */
export function replyBytes(reply: Reply): number {
  switch (reply.type) {
    case "bulk":
      return REPLY_BYTES + reply.bytes.length;
    case "array":
      return reply.items.reduce((sum, item) => sum + replyBytes(item), REPLY_BYTES);
    case "map":
      return reply.pairs.reduce(
        (sum, [key, value]) => sum + replyBytes(key) + replyBytes(value),
        REPLY_BYTES,
      );
    case "simple":
    case "error":
      return REPLY_BYTES + reply.text.length;
    case "integer":
    case "null":
      return REPLY_BYTES;
    default:
      return assertNever(reply, "Every kind of reply has a length");
  }
}

function encode(replies: readonly Reply[]): Uint8Array {
  let room = 0;
  for (const reply of replies) room += REPLY_BYTES + (reply.type === "bulk" ? reply.bytes.length : 0);
  const writer = new CborWriter(0, room);
  for (const reply of replies) writeReply(writer, reply);
  return writer.finish();
}

function writeReply(writer: CborWriter, reply: Reply): void {
  writer.array(reply.type === "null" ? 1 : 2);
  switch (reply.type) {
    case "simple":
      writer.number(0);
      return writer.text(reply.text);
    case "error":
      writer.number(1);
      return writer.text(reply.text);
    case "integer":
      writer.number(2);
      return writer.text(String(reply.value));
    case "bulk":
      writer.number(3);
      return writer.bytes(reply.bytes);
    case "null":
      return writer.number(4);
    case "array":
      writer.number(5);
      writer.array(reply.items.length);
      for (const item of reply.items) writeReply(writer, item);
      return;
    case "map":
      writer.number(6);
      writer.array(reply.pairs.length);
      for (const [key, value] of reply.pairs) {
        writer.array(2);
        writeReply(writer, key);
        writeReply(writer, value);
      }
      return;
    default:
      return assertNever(reply, "A reply has a known type");
  }
}

/** The replies in these bytes, or why they are none. */
export function decodeReplies(bytes: Uint8Array): readonly Reply[] | string {
  const values = decodeCborSequence(bytes);
  if (typeof values === "string") return values;
  const replies: Reply[] = [];
  for (const value of values) {
    const reply = replyOf(value);
    if (typeof reply === "string") return reply;
    replies.push(reply);
  }
  return replies;
}

function replyOf(value: CborValue | undefined): Reply | string {
  if (!Array.isArray(value)) return "a reply is an array";
  const [code, content]: readonly CborValue[] = value;
  if (code === 0 && typeof content === "string") {
    return content === "OK" ? OK : { type: "simple", text: content };
  }
  if (code === 1 && typeof content === "string") return errorReply(content);
  if (code === 2 && typeof content === "string" && /^-?\d{1,19}$/.test(content)) {
    return { type: "integer", value: BigInt(content) };
  }
  if (code === 3 && content instanceof Uint8Array) return { type: "bulk", bytes: content };
  if (code === 4) return NULL;
  if (code === 5 && Array.isArray(content)) {
    const items: Reply[] = [];
    for (const item of content) {
      const reply = replyOf(item);
      if (typeof reply === "string") return reply;
      items.push(reply);
    }
    return { type: "array", items };
  }
  if (code === 6 && Array.isArray(content)) {
    const pairs: [Reply, Reply][] = [];
    for (const pair of content) {
      const [key, item] = Array.isArray(pair)
        ? [replyOf(pair[0]), replyOf(pair[1])]
        : ["a pair is an array", ""];
      if (typeof key === "string") return key;
      if (typeof item === "string") return item;
      pairs.push([key, item]);
    }
    return { type: "map", pairs };
  }
  return `reply code is ${String(code)}`;
}
