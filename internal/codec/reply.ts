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
import { type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";

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

/** A reply as it travels between servers: CBOR `[code, ...]`. */
export function encodeReply(reply: Reply): Uint8Array {
  return encodeCbor(valueOf(reply));
}

function valueOf(reply: Reply): CborValue {
  switch (reply.type) {
    case "simple":
      return [0, reply.text];
    case "error":
      return [1, reply.text];
    case "integer":
      return [2, String(reply.value)];
    case "bulk":
      return [3, reply.bytes];
    case "null":
      return [4];
    case "array":
      return [5, reply.items.map(valueOf)];
    case "map":
      return [6, reply.pairs.map(([key, value]) => [valueOf(key), valueOf(value)])];
    default:
      return assertNever(reply, "A reply has a known type");
  }
}

/** The reply in these bytes, or why there is none. */
export function decodeReply(bytes: Uint8Array): Reply | string {
  const decoded = decodeCbor(bytes);
  return "reason" in decoded ? decoded.reason : replyOf(decoded.value);
}

function replyOf(value: CborValue | undefined): Reply | string {
  if (!Array.isArray(value)) return "a reply is an array";
  const [code, content]: readonly CborValue[] = value;
  if (code === 0 && typeof content === "string") return { type: "simple", text: content };
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
