/**
 * Keys that were made to have the same hash.
 *
 * @module
 */

const INVERSE_FIRST = inverse(0xcc9e2d51);
const INVERSE_SECOND = inverse(0x1b873593);

/** What a factor is undone by, modulo 2^32. */
function inverse(factor: number): number {
  let found = 1;
  for (let i = 0; i < 5; i++) found = Math.imul(found, 2 - Math.imul(factor, found));
  return found;
}

/** A key of 8 bytes for each number, all with one hash: the second word undoes what the first one did to the state. */
export function colliding(number: number): Uint8Array {
  const key = new Uint8Array(8);
  const view = new DataView(key.buffer);
  view.setUint32(0, number, true);
  const first = Math.imul(number, 0xcc9e2d51);
  const mixed = Math.imul(first << 15 | first >>> 17, 0x1b873593);
  const state = Math.imul(mixed << 13 | mixed >>> 19, 5) + 0xe6546b64 | 0;
  const word = Math.imul(state, INVERSE_SECOND);
  view.setUint32(4, Math.imul(word << 17 | word >>> 15, INVERSE_FIRST), true);
  return key;
}
