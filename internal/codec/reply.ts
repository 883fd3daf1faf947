/**
 * What a command answers, before anybody chose how to write it down.
 *
 * The first word of an error is its certainty, and a client can be correct by reading it alone:
 *  - `ERR`, `WRONGTYPE`, `NOLEADER`, `BUSY` and every other first word: it certainly did not happen and never will;
 *  - `UNKNOWN`: it may or may not have happened, or may yet happen.
 *
 * @module
 */

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
