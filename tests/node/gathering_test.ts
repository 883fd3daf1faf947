/**
 * Kind: unit (the rule alone, against small models of a machine; one node, its disk and its peers played by hand).
 *
 * Invariant: what was gathered is held for no longer than a few milliseconds, and only where more is served with it; where those who are
 * expected do not come, it is held ever more seldom; few commands and reads are never held; whoever is held is answered once, in order.
 *
 * Learnt: 64 clients of redis-benchmark made batches of 32 for ever: one half asks while the other waits. To hold back what comes while
 * something is under way changes nothing (the halves stay); who was just answered has to be waited for too.
 */
import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { Gathering } from "../../internal/node/gathering.ts";
import { defaultLimits } from "../../internal/node/limits.ts";
import { Trial } from "../../internal/node/trial.ts";
import type { Alarm } from "../../internal/platform/clock.ts";
import { VirtualTime } from "../simulator/virtual_time.ts";
import { NodeStage } from "./node_stage.ts";

interface Machine {
  /** Of the one processor, for a batch and for a command. */
  readonly batchMs: number;
  readonly commandMs: number;
  /** How long a batch is under way besides. */
  readonly flightMs: number;
}

const CLIENT_MS = 0.005;

/** One processor, clients that ask again when they were answered, and a leader that gathers. */
class Model {
  readonly time = new VirtualTime();
  readonly #gathering: Gathering;
  readonly #machine: Machine;
  #busyUntil = 0;
  #clientsBusyUntil = 0;
  #gathered = 0;
  #flying = 0;
  #batchesUnderWay = 0;
  #alarm: Alarm | null = null;
  #heldSince: number | null = null;
  #isTurnDue = false;
  longestHoldMs = 0;
  holds = 0;
  served = 0;
  batches = 0;

  constructor(machine: Machine, isAllowed = true) {
    this.#machine = machine;
    this.#gathering = new Gathering(
      isAllowed ? defaultLimits : { ...defaultLimits, gatherCommandsMin: Infinity },
    );
  }

  run(ms: number): void {
    const until = this.time.now + ms;
    while (this.time.step(until));
    this.time.now = until;
  }

  /** Clients that ask again as soon as they were answered, or after such a pause. */
  clients(count: number, pauseMs: () => number = () => 0): void {
    for (let i = 0; i < count; i++) this.#ask(() => this.time.now + pauseMs());
  }

  /** Commands that come at random, so many a millisecond, whether others were answered or not. */
  stream(perMs: number, random: SeededRandom): void {
    const next = () => {
      this.#ask(null);
      this.time.at(this.time.now - Math.log(1 - random.below(2 ** 30) / 2 ** 30) / perMs, next);
    };
    next();
  }

  readonly #waiting: ((() => number) | null)[] = [];

  #ask(again: (() => number) | null): void {
    this.#work(this.#machine.commandMs / 2, () => {
      this.#gathered++;
      this.#waiting.push(again);
      this.#turnSoon();
    });
  }

  /** Behind everything that had arrived. */
  #turnSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#work(0, () => {
      this.#isTurnDue = false;
      this.#turn();
    });
  }

  /** All clients are one program, which takes a while for each answer. */
  #answer(again: () => number): void {
    this.#clientsBusyUntil = Math.max(this.time.now, this.#clientsBusyUntil) + CLIENT_MS;
    this.time.at(this.#clientsBusyUntil, () => this.time.at(again(), () => this.#ask(again)));
  }

  #work(ms: number, done: () => void): void {
    this.#busyUntil = Math.max(this.time.now, this.#busyUntil) + ms;
    this.time.at(this.#busyUntil, done);
  }

  #turn(): void {
    if (this.#gathered === 0) return;
    const { now } = this.time;
    const until = this.#gathering.holdsUntil(now, {
      gathered: this.#gathered,
      all: this.#gathered + this.#flying,
      isUnderWay: this.#batchesUnderWay > 0,
    });
    if (until !== null) {
      if (this.#heldSince === null) this.holds++;
      this.#heldSince ??= now;
      this.#alarm ??= this.time.at(until, () => {
        this.#alarm = null;
        this.#turnSoon();
      });
      return;
    }
    if (this.#heldSince !== null) this.longestHoldMs = Math.max(this.longestHoldMs, now - this.#heldSince);
    this.#heldSince = null;
    const batch = this.#waiting.splice(0);
    this.#gathered = 0;
    this.#flying += batch.length;
    this.#batchesUnderWay++;
    this.batches++;
    const { batchMs, commandMs, flightMs } = this.#machine;
    this.#work(
      batchMs,
      () =>
        this.time.at(this.time.now + flightMs, () =>
          this.#work(commandMs / 2 * batch.length, () => {
            this.#flying -= batch.length;
            this.#batchesUnderWay--;
            this.served += batch.length;
            this.#gathering.served(batch.length, this.time.now);
            for (const again of batch) if (again !== null) this.#answer(again);
            this.#turn();
          })),
    );
  }
}

/** Everybody waits for the processor, which has the same to do for a batch of one and for a batch of all. */
const CROWDED: Machine = { batchMs: 0.5, commandMs: 0.01, flightMs: 0.1 };
/** Everybody waits for disks and wires. */
const ROOMY: Machine = { batchMs: 0.005, commandMs: 0.01, flightMs: 1 };

/** Commands served in so many milliseconds, with and without, once it had time to find out. */
function servedBy(
  machine: Machine,
  clients: number,
  ms = 2000,
): { with: Model; without: Model; ratio: number } {
  const [held, free] = [new Model(machine), new Model(machine, false)];
  for (const model of [held, free]) {
    model.clients(clients);
    model.run(6000);
    model.served = model.batches = model.holds = 0;
    model.run(ms);
  }
  return { with: held, without: free, ratio: held.served / free.served };
}

Deno.test("where everybody waits for the processors, clients share batches, and more is served", () => {
  for (const [clients, gain] of [[16, 1.1], [64, 1.1], [256, 1.04]] as const) {
    const { with: held, without, ratio } = servedBy(CROWDED, clients);
    assert(ratio > gain, `${clients} clients: ${ratio} times as much`);
    assert(held.served / held.batches > 0.9 * clients, `${held.served / held.batches} in a batch`);
    assert(without.served / without.batches < 0.6 * clients);
  }
});

Deno.test("where the processors are idle nothing is held, but to find that out", () => {
  for (const clients of [16, 64]) {
    const { with: held, ratio } = servedBy(ROOMY, clients);
    assert(ratio > 0.97, `${clients} clients: ${ratio} times as much`);
    assert(held.holds < held.batches / 10, `${held.holds} holds in ${held.batches} batches`);
  }
});

Deno.test("few clients are never held", () => {
  const model = new Model(CROWDED);
  model.clients(defaultLimits.gatherCommandsMin - 1);
  model.run(2000);
  assertEquals(model.holds, 0);
  assert(model.served > 1000);
});

Deno.test("nothing is held for longer than it may, and who comes when he likes is held ever more seldom", () => {
  const random = new SeededRandom("pauses");
  for (const machine of [CROWDED, ROOMY]) {
    const paused = new Model(machine);
    paused.clients(64, () => random.below(20));
    const streamed = new Model(machine);
    streamed.stream(10, random);
    for (const model of [paused, streamed]) {
      model.run(3000);
      model.holds = model.batches = 0;
      model.run(3000);
      assert(model.longestHoldMs <= defaultLimits.gatherMs + 1, `${model.longestHoldMs} ms`);
      assert(model.holds < model.batches / 10, `${model.holds} holds in ${model.batches} batches`);
    }
  }
});

Deno.test("clients that are gone are not waited for again and again", () => {
  const model = new Model(CROWDED);
  let isOver = false;
  model.clients(60, () => isOver ? 1e9 : 0);
  model.clients(20);
  model.run(3000);
  isOver = true;
  const before = model.served;
  model.run(50);
  const { ratio } = servedBy(CROWDED, 20, 50);
  assert(model.served - before > 500, `${model.served - before} in 50 ms, ${ratio}`);
});

Deno.test("a trial takes the second way only where it serves more by more than chance", () => {
  const random = new SeededRandom("trial");
  for (const [gain, isTaken] of [[1.2, true], [1.1, true], [1, false], [0.8, false]] as const) {
    const trial = new Trial();
    let now = 0;
    let second = 0;
    for (let i = 0; i < 18_000; i++) {
      now += 1 + random.below(1000) / 2000;
      // Now and then the disk stands still.
      if (random.below(500) === 0) now += 40;
      if (i > 9000 && trial.isSecond) second++;
      trial.served(Math.round(100 * (trial.isSecond ? gain : 1)), now);
    }
    assertEquals(second > 4500, isTaken, `${gain}: ${second} of 9000`);
  }
});

Deno.test("a verdict that was chance's is put right within seconds, others are kept for long", () => {
  const trial = new Trial();
  let now = 0;
  let isSecond = false;
  let changedAt = 0;
  let changes = 0;
  const batch = (isSpoilt: boolean) => {
    now += 1;
    // By chance the disk stands still whenever the second way is gone.
    if (isSpoilt && trial.isSecond) now += 2;
    trial.served(trial.isSecond ? 120 : 100, now);
    if (trial.isSecond === isSecond) return;
    isSecond = trial.isSecond;
    changedAt = now;
    changes++;
  };
  /** Goes on until one way was gone for longer than a trial goes it: that is a verdict. */
  const until = (verdict: boolean, isSpoilt: boolean, limitMs: number) => {
    const began = now;
    while (isSecond !== verdict || now - changedAt < 200) {
      batch(isSpoilt);
      assert(now - began < limitMs, `no verdict for the ${verdict ? "second" : "first"} way`);
    }
  };
  until(true, false, 3000);
  for (let i = 0; i < 30_000; i++) batch(false);
  until(false, true, 60_000);
  until(true, false, 3000);
  // Trials are 1.25, 2.5, 5, 10 and 20 s apart, then always 20.
  for (let i = 0; i < 45_000; i++) batch(false);
  changes = 0;
  for (let i = 0; i < 60_000; i++) batch(false);
  assert(changes > 0 && changes <= 3 * 19, `${changes} changes in a minute`);
});

Deno.test("a node hands on what it held, in order, when the time is over or the others came; a read is not held", () => {
  const stage = new NodeStage({ gatherCommandsMin: 2, gatherMs: 4 });
  stage.lead();
  stage.acknowledge();
  let longest = 0;
  let held = 0;
  const round = (clients: number, missing: number) => {
    const given = Array.from({ length: clients - missing }, (_, i) => stage.ask("set", `key${i}`, "value"));
    const began = stage.time.now;
    let steps = 0;
    while (given.some((answers) => answers.length === 0)) {
      assert(++steps < 100, "what was asked is answered");
      stage.sync();
      stage.acknowledge();
      if (given.some((answers) => answers.length === 0)) {
        held++;
        stage.pass(0.5);
      }
    }
    assertEquals(given.map((answers) => answers.length), given.map(() => 1));
    longest = Math.max(longest, stage.time.now - began);
    stage.pass(1);
  };
  for (let i = 0; i < 300; i++) round(4, i % 8 === 7 ? 1 : 0);
  assert(held > 0, "who is missing is waited for");
  assert(longest >= 3.5 && longest <= 4.5, `${longest} ms`);
  const before = stage.node.status().lastIndex;
  stage.ask("set", "key", "value");
  stage.ask("get", "key");
  assert(stage.node.status().lastIndex > before, "a read takes what was held before it along");
});
