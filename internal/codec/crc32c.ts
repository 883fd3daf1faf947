/**
 * The Castagnoli checksum (RFC 3720 B.4), by hash-wasm.
 *
 * WebAssembly is compiled asynchronously, so the process says `await loadCrc32c()` once at its start; from then on everything
 * is synchronous. This loader is the one promise in this folder.
 *
 * @module
 */
import { createCRC32, type IHasher } from "hash-wasm";
import { assert } from "../base/assert.ts";

/** The polynomial, bits reversed. */
const CASTAGNOLI = 0x82f63b78;

let hasher: IHasher | null = null;

/** Makes the checksum ready; harmless when it is. */
export async function loadCrc32c(): Promise<void> {
  hasher ??= await createCRC32(CASTAGNOLI);
}

/** The checksum of these bytes, as if they stood one after another. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  assert(hasher !== null, "The checksum was loaded at the start of the process");
  hasher.init();
  for (const part of parts) hasher.update(part);
  const digest = hasher.digest("binary");
  return (((digest[0] ?? 0) << 24) | ((digest[1] ?? 0) << 16) | ((digest[2] ?? 0) << 8) |
    (digest[3] ?? 0)) >>> 0;
}
