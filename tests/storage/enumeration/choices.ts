/**
 * What a power failure may keep of what is not synced: every choice where there are few, and many of them where there are more.
 *
 * A choice is one bit for each change of a name and for each sector of a write. With more bits than all of which can be gone through, a
 * write is kept, lost, torn behind or before each of its sectors, or lacks or has one sector alone; each with every such choice for the
 * others, or, where that is still too much, with a drawn one. Then bits are drawn until there are enough.
 *
 * @module
 */
import { type Random, SeededRandom } from "../../../internal/base/random.ts";
import type { Kept, Unsynced } from "../../simulator/sim_file_system.ts";

/** All choices of so many bits are gone through. */
const BITS_MAX = 12;
const CHOICES_MAX = 2 ** BITS_MAX;

/** Every choice at this moment, none of it first and all of it last; the same for the same moment. */
export function choicesOf({ names, sectors }: Unsynced): readonly Kept[] {
  const sizes = [...Array.from({ length: names }, () => 1), ...sectors];
  const bits = sizes.reduce((sum, size) => sum + size, 0);
  const choices = bits <= BITS_MAX ? everyChoice(bits) : manyChoices(sizes, bits);
  return choices.map((choice) => {
    let at = names;
    return {
      names: choice.slice(0, names),
      sectors: sectors.map((size) => choice.slice(at, at += size)),
    };
  });
}

/** So many of them, spread evenly, the first and the last one among them. */
export function spread<T>(all: readonly T[], count: number): readonly T[] {
  if (all.length <= count) return all;
  const step = (all.length - 1) / Math.max(1, count - 1);
  return Array.from({ length: count }, (_, i) => all[Math.round(i * step)]).filter((one) =>
    one !== undefined
  );
}

function everyChoice(bits: number): boolean[][] {
  return Array.from(
    { length: 2 ** bits },
    (_, mask) => Array.from({ length: bits }, (_, bit) => (mask >> bit & 1) === 1),
  );
}

function manyChoices(sizes: readonly number[], bits: number): boolean[][] {
  const options = sizes.map(optionsOf);
  const product = options.reduce((product, { length }) => product * length, 1);
  const choices = product <= CHOICES_MAX
    ? productOf(options)
    : oneByOne(options, new SeededRandom(`one/${bits}`));
  const random = new SeededRandom(`drawn/${bits}`);
  while (choices.length < CHOICES_MAX) choices.push(Array.from({ length: bits }, () => random.chance(1, 2)));
  return [filled(bits, false), ...choices, filled(bits, true)];
}

/** Of a write of so many sectors. */
function optionsOf(size: number): boolean[][] {
  const sector = Array.from({ length: size }, (_, i) => i);
  const options = [filled(size, false), filled(size, true)];
  for (let at = 1; at < size; at++) {
    options.push(sector.map((i) => i < at), sector.map((i) => i >= at));
  }
  for (let at = 0; size > 2 && at < size; at++) {
    options.push(sector.map((i) => i === at), sector.map((i) => i !== at));
  }
  return options;
}

function productOf(options: readonly (readonly boolean[][])[]): boolean[][] {
  let choices: boolean[][] = [[]];
  for (const some of options) {
    choices = choices.flatMap((choice) => some.map((option) => [...choice, ...option]));
  }
  return choices;
}

/** Each option of each write, with drawn ones of the others. */
function oneByOne(options: readonly (readonly boolean[][])[], random: Random): boolean[][] {
  return options.flatMap((some, i) =>
    some.map((option) =>
      options.flatMap((others, j) => i === j ? option : others[random.below(others.length)] ?? [])
    )
  );
}

function filled(length: number, value: boolean): boolean[] {
  return Array.from({ length }, () => value);
}
