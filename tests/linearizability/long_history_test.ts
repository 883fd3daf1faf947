/**
 * Kind: property (long random histories).
 *
 * Invariant: a history of clients of one store is linearizable, however long and however many of its outcomes are unknown; with one change that no
 * order can explain it is not. Neither takes more than a few steps for each operation.
 *
 * Learnt: what is bad by construction has to be so for every order: a read may lack the last word of a list, but not one that was
 * acknowledged before the read was asked.
 */
import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { checkHistory } from "./check.ts";
import type { Operation } from "./operation.ts";
import {
  anything,
  appendOrGet,
  incrOrGet,
  linearizableHistory,
  setOrGet,
  setOrGetFew,
  type Workload,
} from "./random_history.ts";

const SEEDS = 20;

const BASE = { operations: 600, keys: ["a", "b"], unknownPermille: 0 };
const WORKLOADS: Readonly<Record<string, Workload & { readonly stepsPerOperation: number }>> = {
  registers: { ...BASE, clients: 8, command: setOrGet, stepsPerOperation: 1.1 },
  "registers with unknown outcomes": {
    ...BASE,
    clients: 30,
    command: setOrGet,
    unknownPermille: 200,
    stepsPerOperation: 1.5,
  },
  lists: { ...BASE, clients: 8, command: appendOrGet, stepsPerOperation: 1.1 },
  "lists with unknown outcomes": {
    ...BASE,
    clients: 30,
    command: appendOrGet,
    unknownPermille: 200,
    stepsPerOperation: 2,
  },
  counters: { ...BASE, clients: 8, command: incrOrGet, stepsPerOperation: 1.1 },
  "counters with unknown outcomes": {
    ...BASE,
    clients: 6,
    command: incrOrGet,
    unknownPermille: 50,
    stepsPerOperation: 50,
  },
  "everything at once": { ...BASE, clients: 5, command: anything, stepsPerOperation: 20 },
  "everything at once by many clients": {
    ...BASE,
    clients: 12,
    operations: 150,
    keys: ["a"],
    command: anything,
    stepsPerOperation: 300,
  },
  "registers of few values with unknown outcomes": {
    ...BASE,
    clients: 10,
    operations: 200,
    command: setOrGetFew,
    unknownPermille: 100,
    stepsPerOperation: 300,
  },
  "everything at once with unknown outcomes": {
    ...BASE,
    clients: 4,
    operations: 200,
    command: anything,
    unknownPermille: 40,
    stepsPerOperation: 1000,
  },
};

for (const [name, workload] of Object.entries(WORKLOADS)) {
  Deno.test(`clients of one store have a linearizable history: ${name}`, () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const history = linearizableHistory(new SeededRandom(`long/${seed}`), workload);
      const { kind, steps } = checkHistory(history);
      assertEquals(kind, "linearizable", `seed ${seed}`);
      assertLess(steps, history.length * workload.stepsPerOperation, `seed ${seed}`);
    }
  });
}

/* ---- one change that makes it bad ---- */

type Change = (random: Random, history: readonly Operation[]) => readonly [Operation, Operation] | null;

/** One of the operations that fit; operations without an answer never do. */
function pick(
  random: Random,
  history: readonly Operation[],
  fits: (operation: Operation) => boolean,
): Operation | null {
  const fitting = history.filter((one) => one.outcome === "ok" && fits(one));
  return fitting.length === 0 ? null : fitting[random.below(fitting.length)] ?? null;
}

const isBefore = (a: Operation, b: Operation) => a.key === b.key && a.return !== null && a.return < b.invoke;

/** A read is answered with something else. */
function readingElse(
  answerOf: (
    random: Random,
    history: readonly Operation[],
    read: Operation,
  ) => Operation["result"] | undefined,
): Change {
  return (random, history) => {
    const read = pick(random, history, ({ op, result }) => op === "GET" && result !== null);
    const result = read === null ? undefined : answerOf(random, history, read);
    return read === null || result === undefined ? null : [read, { ...read, result }];
  };
}

const REGISTER: Readonly<Record<string, Change>> = {
  "a value that was overwritten": readingElse((random, history, read) => {
    const second = pick(random, history, (one) => one.op === "SET" && isBefore(one, read));
    const first = second && pick(random, history, (one) => one.op === "SET" && isBefore(one, second));
    return first?.args[0];
  }),
  "a value that nobody wrote": readingElse(() => "never"),
  "a value from later": readingElse((random, history, read) =>
    pick(random, history, (one) => one.op === "SET" && isBefore(read, one))?.args[0]
  ),
  "nothing after an acknowledged write": readingElse((random, history, read) =>
    pick(random, history, (one) => one.op === "SET" && isBefore(one, read)) === null ? undefined : null
  ),
};

/** The words of a list, each with its semicolon. */
const wordsOf = (list: Operation["result"]) => String(list).split(/(?<=;)/);

const LIST: Readonly<Record<string, Change>> = {
  "a list without a word that was acknowledged": readingElse((random, history, read) => {
    const lost = pick(random, history, (one) => one.op === "APPEND" && isBefore(one, read));
    return lost === null ? undefined : wordsOf(read.result).filter((word) => word !== lost.args[0]).join("");
  }),
  "a list with a word twice": readingElse((random, _, read) => {
    const words = wordsOf(read.result);
    return [...words, words[random.below(words.length)]].join("");
  }),
  "a list with two words the wrong way round": readingElse((random, history, read) => {
    const words = wordsOf(read.result);
    const isRead = (one: Operation) => one.op === "APPEND" && words.includes(one.args[0] ?? "");
    const second = pick(random, history, (one) => isRead(one) && isBefore(one, read));
    const first = second && pick(random, history, (one) => isRead(one) && isBefore(one, second));
    const [a, b] = [first?.args[0], second?.args[0]];
    if (a === undefined || b === undefined) return undefined;
    return words.map((word) => word === a ? b : word === b ? a : word).join("");
  }),
  "one length twice": (random, history) => {
    const first = pick(random, history, ({ op }) => op === "APPEND");
    const second = first &&
      pick(random, history, (one) => one.op === "APPEND" && one.key === first.key && one !== first);
    return first && second && [second, { ...second, result: first.result }];
  },
};

const COUNTER: Readonly<Record<string, Change>> = {
  "one count twice": (random, history) => {
    const first = pick(random, history, ({ op }) => op === "INCR");
    const second = first &&
      pick(random, history, (one) => one.op === "INCR" && one.key === first.key && one !== first);
    return first && second && [second, { ...second, result: first.result }];
  },
  "less than what was counted before": readingElse((random, history, read) => {
    const before = pick(random, history, (one) => one.op === "INCR" && isBefore(one, read));
    return before === null ? undefined : String(Number(before.result) - 1);
  }),
};

const CHANGES: readonly (readonly [workload: string, changes: Readonly<Record<string, Change>>])[] = [
  ["registers", REGISTER],
  ["registers with unknown outcomes", REGISTER],
  ["lists", LIST],
  ["lists with unknown outcomes", LIST],
  ["counters", COUNTER],
  ["counters with unknown outcomes", COUNTER],
];

for (const [name, changes] of CHANGES) {
  const workload = must(WORKLOADS[name], "The workload is there");
  for (const [what, change] of Object.entries(changes)) {
    Deno.test(`a history with one wrong answer is not linearizable: ${name}, ${what}`, () => {
      let count = 0;
      for (let seed = 0; seed < SEEDS; seed++) {
        const random = new SeededRandom(`bad/${seed}`);
        const history = linearizableHistory(random, { ...workload, operations: 300 });
        const changed = change(random, history);
        if (changed === null) continue;
        const [before, after] = changed;
        const bad = history.map((one) => one === before ? after : one);
        assertEquals(checkHistory(bad).kind, "notLinearizable", `seed ${seed}: ${JSON.stringify(changed)}`);
        count++;
      }
      assertGreater(count, SEEDS / 2);
    });
  }
}
