/**
 * How this machine's runtime copies bytes with the least garbage: on Bun `Buffer`'s `copy`, which makes no view; on others that call costs
 * more than a view does.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Copy } from "../base/copy.ts";

const { copy } = Buffer.prototype;

/** Takes any byte array for its own, a plain one too. */
export const bufferCopy: Copy = (source, from, to, target, at) => {
  copy.call(source, target, at, from, to);
};

/** The quickest way on this runtime; `null` where that is the usual one. */
export const systemCopy: Copy | null = "Bun" in globalThis ? bufferCopy : null;
