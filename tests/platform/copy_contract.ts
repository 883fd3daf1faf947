/**
 * What copying bytes promises, asked of one way to do it; runs on any runtime.
 *
 * @module
 */
import { type Copy, copyBytes, copyLongBy } from "../../internal/base/copy.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";

/** The way that the language has, as it is installed before anybody says otherwise. */
export const usualCopy: Copy = (source, from, to, target, at) => target.set(source.subarray(from, to), at);

/** Memory of its own with random bytes, or a part of some with others around it. */
function someBytes(random: Random): Uint8Array {
  const all = Uint8Array.from({ length: random.between(0, 400) }, () => random.below(256));
  const from = random.below(2) * random.between(0, all.length);
  return random.below(2) === 0 ? all : all.subarray(from, random.between(from, all.length));
}

function hasThrown(call: () => void): boolean {
  try {
    call();
    return false;
  } catch {
    return true;
  }
}

/** What is wrong with that way to copy, in so many tries; nothing if it keeps the contract. Leaves it installed. */
export function objectionsTo(copy: Copy, tries: number): readonly string[] {
  copyLongBy(copy);
  const random = new SeededRandom("copy");
  const objections: string[] = [];
  for (let i = 0; i < tries; i++) {
    const source = someBytes(random);
    const target = someBytes(random);
    const from = random.between(0, source.length);
    const to = random.between(from, source.length);
    const at = random.between(0, target.length);
    const [sourceBefore, wanted] = [source.slice(), [...target]];
    const fits = at + to - from <= target.length;
    if (fits) wanted.splice(at, to - from, ...source.slice(from, to));
    const around = [...new Uint8Array(target.buffer, 0, target.byteOffset)];
    const refused = hasThrown(() => copyBytes(source, from, to, target, at));
    const call = `try ${i}: [${from}, ${to}) of ${source.length} to ${at} of ${target.length}`;
    if (refused === fits) objections.push(`${call} was ${refused ? "refused" : "done"}`);
    if ([...target].join() !== wanted.join()) objections.push(`${call}: the target has other bytes`);
    if (source.join() !== sourceBefore.join()) {
      objections.push(`${call}: the source changed`);
    }
    if ([...new Uint8Array(target.buffer, 0, target.byteOffset)].join() !== around.join()) {
      objections.push(`${call}: bytes in front of the target changed`);
    }
    for (const [a, b] of [[-1, to], [from, source.length + 1]] as const) {
      if (!hasThrown(() => copyBytes(source, a, b, new Uint8Array(1000), 0))) {
        objections.push(`[${a}, ${b}) was copied`);
      }
    }
  }
  return objections;
}
