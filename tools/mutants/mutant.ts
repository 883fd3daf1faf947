/**
 * A mutant: a known bug, kept as a small change of the shipped text that puts it back.
 *
 * Keeps true: a mutant changes one place of one file, and says which; where the text has moved on, so that the place is not there or
 * is there twice, it is refused and not guessed: a mutant that does not apply tests nothing.
 *
 * @module
 */

/** A test, by its file and by how its name begins. */
export interface Killer {
  readonly file: string;
  readonly test: string;
}

export interface Mutant {
  readonly name: string;
  /** The entries of the bug catalogue, or the rows of the fault model, that it is one of. */
  readonly catalogue: readonly string[];
  /** What the changed code does. */
  readonly breaks: string;
  readonly file: string;
  /** Stands once in the file. */
  readonly find: string;
  readonly replace: string;
  /** The test that has to fail because of it. */
  readonly killer: Killer;
}

/** @throws {Error} if the place is not there exactly once, or nothing changes */
export function mutated(text: string, { name, file, find, replace }: Mutant): string {
  const places = text.split(find).length - 1;
  if (places !== 1) throw new Error(`mutant ${name} does not apply: its place is ${places} times in ${file}`);
  if (find === replace) throw new Error(`mutant ${name} changes nothing`);
  return text.replace(find, () => replace);
}

/** A transcript, by how its first line begins. */
export function transcript(test: string): Killer {
  return { file: "tests/scenarios/transcripts_test.ts", test };
}

/** A scenario of one core, by how its name begins. */
export function scenario(room: "elections" | "replication" | "reads" | "repair", test: string): Killer {
  return { file: `tests/scenarios/${room}_test.ts`, test };
}
