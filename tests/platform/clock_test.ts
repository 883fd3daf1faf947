/**
 * Kind: integration (one suite on the system's clock and on a life's clock in virtual time), with units for lives.
 *
 * Invariant: the contract of `Clock`: time never goes back; an alarm comes once, not early, in the order of its time, and never after it
 * was cancelled; what is to come `soon` comes after the turn that asked for it. A dead life hears nothing, a paused one later.
 *
 * Learnt: an alarm of the system for more than 2^31 ms would ring at once if it were given to the runtime as it is. A simulated clock
 * that rings a rounding error early makes the node ask again for the same moment, for ever (world seed 11 hung).
 */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { setImmediate } from "node:timers";
import { SystemClock } from "../../internal/host/system_clock.ts";
import type { Clock } from "../../internal/platform/clock.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";
import { advance, really, virtually } from "./drive.ts";

interface Body {
  readonly name: string;
  use(test: (clock: Clock) => Promise<void>): Promise<void>;
}

const system: Body = {
  name: "system clock",
  use: (test) => really(() => test(new SystemClock())),
};

const virtual: Body = {
  name: "virtual clock",
  use(test) {
    const time = new VirtualTime();
    time.now = 12.5;
    return virtually(time)(() => test(new LifeClock(time)));
  },
};

function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.wakeAt(clock.now() + ms, resolve));
}

function conformance(body: Body): void {
  const test = (what: string, run: (clock: Clock) => Promise<void>) =>
    Deno.test(`${body.name}: ${what}`, () => body.use(run));

  test("now never goes back, and moves on while time passes", async (clock) => {
    const start = clock.now();
    let last = start;
    for (let i = 0; i < 1000; i++) {
      const now = clock.now();
      assertGreaterOrEqual(now, last);
      last = now;
      if (i % 100 === 0) await sleep(clock, 1);
    }
    assertGreaterOrEqual(last - start, 10);
  });

  for (const ms of [-1000, 0, 0.25, 1, 3.7, 20]) {
    test(`an alarm in ${ms} ms comes once, not early and not from inside the call`, async (clock) => {
      const when = clock.now() + ms;
      const rang: number[] = [];
      clock.wakeAt(when, () => rang.push(clock.now()));
      assertEquals(rang, []);
      await sleep(clock, Math.max(0, ms) + 15);
      assertEquals(rang.length, 1);
      assertGreaterOrEqual(rang[0] ?? -Infinity, when);
    });
  }

  test("alarms come in the order of their times, in whatever order they were asked for", async (clock) => {
    const start = clock.now();
    const rang: number[] = [];
    for (const ms of [30, 10, 40, 20, 0]) clock.wakeAt(start + ms, () => rang.push(ms));
    await sleep(clock, 60);
    assertEquals(rang, [0, 10, 20, 30, 40]);
  });

  test("a cancelled alarm never comes; to cancel again, or what has come, is harmless", async (clock) => {
    const start = clock.now();
    const rang: string[] = [];
    const early = clock.wakeAt(start + 10, () => rang.push("early"));
    const kept = clock.wakeAt(start + 12, () => rang.push("kept"));
    clock.wakeAt(start, () => rang.push("past")).cancel();
    clock.wakeAt(start + 2, () => early.cancel());
    await sleep(clock, 40);
    early.cancel();
    kept.cancel();
    assertEquals(rang, ["kept"]);
  });

  test("an alarm may ask for the next one, and for none while it cancels itself", async (clock) => {
    const rang: number[] = [];
    let alarm = clock.wakeAt(clock.now() + 1, function ring() {
      alarm.cancel();
      rang.push(rang.length);
      if (rang.length < 5) alarm = clock.wakeAt(clock.now() + 1, ring);
    });
    await sleep(clock, 60);
    assertEquals(rang, [0, 1, 2, 3, 4]);
  });

  test("an alarm for the far future or for never does not ring now, and can be cancelled", async (clock) => {
    let rang = 0;
    const alarms = [2 ** 31, 2 ** 32 + 5, 1e15, Infinity].map((ms) =>
      clock.wakeAt(clock.now() + ms, () => rang++)
    );
    await sleep(clock, 20);
    assertEquals(rang, 0);
    for (const alarm of alarms) alarm.cancel();
  });

  test("what comes soon comes after the turn and its promises, in the order asked for", async (clock) => {
    const heard: string[] = [];
    await new Promise<void>((resolve) => {
      clock.soon(() => heard.push("first"));
      clock.soon(() => {
        heard.push("second");
        // Asked for at the end of a turn: behind what is there already.
        clock.soon(() => heard.push("fourth"));
        clock.soon(resolve);
      });
      clock.soon(() => heard.push("third"));
      Promise.resolve().then(() => heard.push("promise")).then(() => heard.push("its promise"));
      heard.push("turn");
    });
    assertEquals(heard, ["turn", "promise", "its promise", "first", "second", "third", "fourth"]);
  });

  test("what comes soon does not wait for time to pass", async (clock) => {
    const start = clock.now();
    let passed = Infinity;
    clock.wakeAt(start + 1000, () => {}).cancel();
    await new Promise<void>((resolve) =>
      clock.soon(() => {
        passed = clock.now() - start;
        resolve();
      })
    );
    assertLessOrEqual(passed, 200);
  });
}

conformance(system);
conformance(virtual);

Deno.test("system clock: what is asked for at the end of a turn does not wait for the next one", () =>
  system.use(async (clock) => {
    const heard: string[] = [];
    await new Promise<void>((resolve) =>
      clock.soon(() => {
        setImmediate(() => {
          heard.push("the next turn");
          resolve();
        });
        clock.soon(() => {
          heard.push("asked for within");
          clock.soon(() => heard.push("and within that"));
        });
      })
    );
    assertEquals(heard, ["asked for within", "and within that", "the next turn"]);
  }));

Deno.test("system clock: a process that was busy hears its alarms late, each once and in order", () =>
  system.use(async (clock) => {
    const start = clock.now();
    const rang: number[] = [];
    for (const ms of [3, 12, 21]) clock.wakeAt(start + ms, () => rang.push(ms));
    while (clock.now() < start + 40);
    assertEquals(rang, []);
    await sleep(clock, 5);
    assertEquals(rang, [3, 12, 21]);
  }));

Deno.test("virtual clock: alarms for the same time come in the order they were asked for", async () => {
  const time = new VirtualTime();
  const clock = new LifeClock(time);
  const rang: number[] = [];
  for (let i = 0; i < 50; i++) clock.wakeAt(i % 2 === 0 ? 7 : 3, () => rang.push(i));
  await advance(time, 10);
  const odd = Array.from({ length: 25 }, (_, i) => 2 * i + 1);
  assertEquals(rang, [...odd, ...odd.map((i) => i - 1)]);
});

Deno.test("virtual clock: a dead life hears nothing, whatever it asked for", async () => {
  const time = new VirtualTime();
  const [dead, alive] = [new LifeClock(time), new LifeClock(time)];
  const heard: string[] = [];
  for (const [name, clock] of [["dead", dead], ["alive", alive]] as const) {
    clock.soon(() => heard.push(`${name} soon`));
    clock.wakeAt(5, () => heard.push(`${name} alarm`));
  }
  dead.die();
  dead.run(() => heard.push("dead run"));
  await advance(time, 10);
  assertEquals([heard, dead.isDead, alive.isDead], [["alive soon", "alive alarm"], true, false]);
});

Deno.test("virtual clock: a paused life hears everything late and in order, save what it cancelled", async () => {
  const time = new VirtualTime();
  const clock = new LifeClock(time);
  const heard: string[] = [];
  for (const when of [3, 1, 2]) clock.wakeAt(when, () => heard.push(`${when} at ${time.now}`));
  const cancelled = clock.wakeAt(4, () => heard.push("cancelled"));
  clock.pause();
  await advance(time, 10);
  assertEquals(heard, []);
  cancelled.cancel();
  clock.resume();
  assertEquals(heard, [], "a process wakes up in a turn of its own");
  clock.wakeAt(11, () => heard.push(`later at ${time.now}`));
  await advance(time, 20);
  assertEquals(heard, ["1 at 10", "2 at 10", "3 at 10", "later at 11"]);
  assert(!clock.isDead);
});

Deno.test("virtual clock: one that runs wrong never rings a rounding error early", () => {
  const random = new SeededRandom("drift");
  for (let i = 0; i < 20_000; i++) {
    const time = new VirtualTime();
    time.now = random.below(50_000_000) / 1000;
    const clock = new LifeClock(time, 1 + random.between(-50, 50) / 1000, random.below(1_000_000));
    const when = clock.now() + random.below(1_000_000) / 997;
    let rangAt: number | null = null;
    clock.wakeAt(when, () => rangAt = clock.now());
    assert(time.step(Infinity));
    assert(rangAt !== null && rangAt >= when, `asked for ${when}, rang at ${rangAt}`);
  }
});
