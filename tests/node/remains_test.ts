/**
 * Kind: unit (several cores that lost different parts of the same log, and what goes between them).
 *
 * Invariant: servers that lost different parts fill each other's holes while nobody leads, from whoever has both ends; then their floors go.
 * Nothing is put behind our log that does not follow it; an answer that does not connect is no answer; where somebody leads, nobody is asked.
 * Where the logs that could tell begin behind a hole, a snapshot comes in the place of what is before them.
 *
 * Learnt: it takes one server that is whole again for all of them: the floor of the others lets them vote for it.
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import type { BulkMessage } from "../../internal/codec/bulk_message.ts";
import { decodeBulk, encodeBulkFrame } from "../../internal/codec/bulk_codec.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { Remains } from "../../internal/node/remains.ts";
import type { BulkLineEvents } from "../../internal/node/ports.ts";
import type { Input } from "../../internal/raft/input.ts";
import type { Message } from "../../internal/raft/message.ts";
import { Raft } from "../../internal/raft/raft.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import { BEYOND_THE_TERM, type Entry, type LogPosition, type Remnant } from "../../internal/raft/types.ts";
import { append, birth } from "../scenarios/stage.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";

await loadCrc32c();

const IDS = ["n1", "n2", "n3"];
const PATIENCE_MS = 100;

function entryOf(index: number, term: number, bytes = 10): Entry {
  const payload = new Uint8Array(bytes).fill(index);
  return { index, term, kind: "command", payload, configuration: null, record: null };
}

/** Entries from one index to another, all of one term. */
function span(from: number, to: number, term = 1, bytes = 10): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entryOf(from + i, term, bytes));
}

/** A server whose log ends before its damage, and what it can read behind that. */
interface Damaged {
  readonly log: readonly Entry[];
  /** Entries one after another; or with what was before them. */
  readonly remnants: readonly (readonly Entry[] | Remnant)[];
  readonly floor?: LogPosition | null;
  /** Behind which place its log begins, and up to where it applied it. */
  readonly base?: LogPosition;
}

class Server {
  readonly raft: Raft;
  readonly remains: Remains;
  /** Whom it asked, and what. */
  readonly asked: string[] = [];
  readonly remnants: readonly unknown[];
  /** How far a snapshot was to reach, each time that one was wanted. */
  readonly needed: number[] = [];
  /** Of whom a snapshot was wanted. */
  readonly wanted = new Set<string>();
  forgotten = 0;

  constructor(readonly id: string, world: World, { log, remnants, floor, base }: Damaged) {
    const left = remnants.map((one): Remnant => "after" in one ? one : { after: null, entries: one });
    const end = must(floor ?? left.at(-1)?.entries.at(-1) ?? log.at(-1) ?? base, "There is an end");
    const { clock } = world;
    this.remnants = left;
    this.raft = new Raft({
      id,
      settings: defaultSettings,
      recovered: {
        hardState: { currentTerm: 5, votedFor: null },
        ...birth(IDS),
        snapshotIndex: base?.index ?? 0,
        snapshotTerm: base?.term ?? 0,
        commitIndex: base?.index ?? 0,
        entries: log,
        epoch: 1,
        floor: floor === undefined ? { index: end.index, term: end.term } : floor,
      },
      random: new SeededRandom(id),
      now: 0,
    });
    this.remains = new Remains({
      id,
      remnants: left,
      raft: this.raft,
      clock,
      trace: { event: () => {} },
      patienceMs: PATIENCE_MS,
      needSnapshot: (index, others) => {
        this.needed.push(index);
        for (const other of others) this.wanted.add(other);
        world.time.at(world.time.now + 1, () => world.giveSnapshot(this, index));
      },
      forgets: () => this.forgotten++,
      deliver: (input) => this.take(clock.now(), input),
      peers: {
        isConnected: (other) => world.isUp(other),
        openBulk: (to, events) => {
          this.asked.push(to);
          return world.line(this, to, events);
        },
      },
    });
  }

  take(now: number, input: Input): void {
    for (const effect of this.raft.step(now, input)) {
      if (effect.kind === "write") this.raft.step(now, { kind: "stable", upTo: effect.number });
    }
  }

  get end(): string {
    const { lastIndex, lastTerm, floor } = this.raft.view();
    return `${lastIndex}:${lastTerm}${floor === null ? "" : ` below ${floor.index}:${floor.term}`}`;
  }
}

class World {
  readonly time = new VirtualTime();
  readonly clock = new LifeClock(this.time);
  readonly servers = new Map<string, Server>();
  /** Answers in the place of servers. */
  answers: ((to: string, message: BulkMessage) => BulkMessage | null) | null = null;
  readonly said: BulkMessage[] = [];

  constructor(damaged: Readonly<Record<string, Damaged>>) {
    for (const [id, one] of Object.entries(damaged)) this.servers.set(id, new Server(id, this, one));
  }

  isUp(id: string): boolean {
    return this.answers !== null || this.servers.has(id);
  }

  line(_: Server, to: string, events: BulkLineEvents) {
    let isOpen = true;
    const hear = (message: BulkMessage) =>
      this.time.at(this.time.now + 1, () => isOpen && events.onMessage(asBytes(message)));
    this.time.at(this.time.now + 1, () => isOpen && events.onOpen());
    return {
      close: () => void (isOpen = false),
      send: (message: BulkMessage) => {
        this.said.push(message);
        if (this.answers !== null) {
          const answer = this.answers(to, message);
          if (answer !== null) hear(answer);
          return;
        }
        assert(message.kind === "entriesQuestion");
        this.servers.get(to)?.remains.onQuestion(message, hear);
      },
    };
  }

  /** What the first other server has applied that applied so much, in place of the log up to there. */
  giveSnapshot(to: Server, index: number): void {
    const from = [...this.servers.values()].find((one) => one !== to && one.raft.view().commitIndex >= index);
    if (from === undefined) return;
    const { commitIndex, configuration } = from.raft.view();
    const term = from.raft.log.termAt(commitIndex);
    to.take(this.time.now, {
      kind: "snapshotReceived",
      index: commitIndex,
      term,
      configuration,
      configurationIndex: 0,
    });
  }

  start(): this {
    for (const { remains } of this.servers.values()) remains.start();
    return this;
  }

  pass(ms: number): this {
    const until = this.time.now + ms;
    while (this.time.step(until));
    this.time.now = until;
    return this;
  }

  ends(): string[] {
    return [...this.servers.values()].map(({ end }) => end);
  }
}

/** As it comes out of a frame at the other side. */
function asBytes(message: BulkMessage): BulkMessage {
  const decoded = decodeBulk(encodeBulkFrame(message).subarray(8));
  assert(typeof decoded !== "string", String(decoded));
  return decoded;
}

Deno.test("three servers with holes in three places: each gets what it lacks from one that has both ends, and no floor is left", () => {
  const world = new World({
    n1: { log: span(1, 9), remnants: [span(1, 9), span(21, 100)] },
    n2: { log: span(1, 29), remnants: [span(41, 100)] },
    n3: { log: span(1, 49), remnants: [span(61, 100)] },
  }).start();
  assertEquals(world.ends(), ["9:1 below 100:1", "29:1 below 100:1", "49:1 below 100:1"]);
  world.pass(20 * PATIENCE_MS);
  assertEquals(world.ends(), ["100:1", "100:1", "100:1"]);
  const questions = world.said.length;
  world.pass(20 * PATIENCE_MS);
  assertEquals(world.said.length, questions, "nobody asks any more");
  assertEquals(
    [...world.servers.values()].map(({ remnants }) => remnants.length),
    [0, 0, 0],
    "nothing is held",
  );
});

Deno.test("holes that border on each other, several in one log, and large entries", () => {
  const large = (from: number, to: number) => span(from, to, 1, 100_000);
  const world = new World({
    n1: { log: large(1, 3), remnants: [large(5, 5), large(12, 20)] },
    n2: { log: large(1, 4), remnants: [large(6, 20)] },
    n3: { log: large(1, 11), remnants: [large(13, 20)] },
  }).start().pass(30 * PATIENCE_MS);
  assertEquals(world.ends(), ["20:1", "20:1", "20:1"]);
  const sizes = world.said.length;
  assertGreaterOrEqual(sizes, 4, "more than one message for what is long");
});

Deno.test("what follows our last entry in what is left needs nobody: a snapshot may reach over the hole", () => {
  const remnants = [span(1, 9), span(15, 30)];
  const { raft, remains } = new Server("n1", new World({}), {
    log: span(1, 20),
    remnants,
    floor: { index: 30, term: 1 },
  });
  remains.start();
  assertEquals([raft.view().lastIndex, raft.view().floor], [30, null]);
});

Deno.test("what stands behind another term at the end of our log is not put there", () => {
  const world = new World({
    n1: {
      log: [...span(1, 5, 1), ...span(6, 9, 3)],
      remnants: [span(7, 30, 2)],
      floor: { index: 30, term: 2 },
    },
  }).start().pass(5 * PATIENCE_MS);
  // Of term 3, so it is above that floor by itself.
  assertEquals(world.ends(), ["9:3 below 30:2"]);
});

/** The entry by which another server came in. */
function namesMember(index: number, id: string): Entry {
  const { configuration } = birth([...IDS, id]);
  return { ...entryOf(index, 1), kind: "configuration", configuration };
}

for (
  const { what, third, calls } of [
    { what: "stands as a member in what is left of the log", third: namesMember(21, "n4"), calls: null },
    { what: "calls", third: entryOf(21, 1), calls: "n4" },
  ]
) {
  Deno.test(`who is no member as far as our log goes, and ${what}, fills the hole or gives a snapshot`, () => {
    const holed = { log: span(1, 9), remnants: [[third, ...span(22, 30)]] };
    const filled = new World({ n1: holed, n4: { log: span(1, 25), remnants: [], floor: null } }).start();
    const snapshot = new World({
      n1: holed,
      n4: { log: span(21, 30), remnants: [], floor: null, base: { index: 20, term: 1 } },
    }).start();
    for (const world of [filled, snapshot]) {
      const { remains, asked } = must(world.servers.get("n1"), "It is there");
      if (calls !== null) remains.introduced(calls);
      world.pass(10 * PATIENCE_MS);
      assertEquals([new Set(asked), world.ends()[0]], [new Set(["n4"]), "30:1"]);
      assertEquals([remains.named, world.servers.get("n1")?.forgotten], [[], 1], "and is forgotten then");
    }
    assertEquals(snapshot.servers.get("n1")?.wanted, new Set(["n4"]), "it is asked for a snapshot too");
  });
}

const question = {
  kind: "entriesQuestion",
  after: { index: 9, term: 1 },
  to: { index: 21, term: 2 },
} as const;

for (
  const { what, log } of [
    { what: "ends before the hole does", log: [...span(1, 15), ...span(16, 19, 2)] },
    { what: "ends with the hole, in another term", log: span(1, 20) },
    { what: "has another term behind the hole", log: [...span(1, 19), ...span(20, 30, 3)] },
    { what: "has another term before the hole", log: [...span(1, 8), ...span(9, 30, 2)] },
  ]
) {
  Deno.test(`a server whose log ${what} gives nothing`, () => {
    const server = new Server("n2", new World({}), { log, remnants: [], floor: null });
    const answers: BulkMessage[] = [];
    server.remains.onQuestion(question, (message) => answers.push(message));
    assertEquals(answers.map(({ kind }) => kind), ["entriesRefusal"]);
  });
}

Deno.test("a server whose log ends with the hole, in the term of what is behind it, gives all of the hole", () => {
  const log = [...span(1, 15), ...span(16, 20, 2)];
  const server = new Server("n2", new World({}), { log, remnants: [], floor: null });
  server.remains.onQuestion(question, (message) => {
    assert(message.kind === "entriesPiece");
    assertEquals(message.entries, log.slice(9, 20));
  });
  const next = { ...question, after: { index: 20, term: 2 } };
  server.remains.onQuestion(next, ({ kind }) => assertEquals(kind, "entriesRefusal", "there is no hole"));
});

Deno.test("what begins right behind our last entry, in its term, needs nobody; in another term it is not put there", () => {
  const [same, other] = [1, 2].map((term) => {
    const server = new Server("n1", new World({}), {
      log: span(1, 9),
      remnants: [span(10, 30, term)],
    });
    server.remains.start();
    return server.end;
  });
  assertEquals([same, other], ["30:1", "9:1 below 30:2"]);
});

for (
  const { what, after, end } of [
    { what: "followed our last entry", after: { index: 9, term: 1 }, end: "30:2" },
    { what: "followed another one", after: { index: 9, term: 2 }, end: "9:1 below 30:2" },
    { what: "followed nobody knows what", after: null, end: "9:1 below 30:2" },
  ]
) {
  Deno.test(
    `what begins with a new term right behind our last entry and ${what} ${
      end === "30:2" ? "needs nobody" : "is not put there"
    }`,
    () => {
      const server = new Server("n1", new World({}), {
        log: span(1, 9),
        remnants: [{ after, entries: span(10, 30, 2) }],
      });
      server.remains.start();
      assertEquals(server.end, end);
    },
  );
}

Deno.test("a hole whose last entry is known comes from a log that ends with it, in another term than what is behind it", () => {
  const world = new World({
    n1: { log: span(1, 9), remnants: [{ after: { index: 15, term: 1 }, entries: span(16, 30, 2) }] },
    n2: { log: span(1, 15), remnants: [], floor: null },
  }).start().pass(4 * PATIENCE_MS);
  assertEquals([world.ends(), world.servers.get("n1")?.needed], [["30:2", "15:1"], []]);
});

Deno.test("two servers that begin behind a snapshot which both lost get it from the third, and put back what followed it in a new term", () => {
  const after = { index: 19, term: 1 };
  const world = new World({
    n1: { log: [], remnants: [{ after, entries: span(20, 20, 2) }] },
    n2: { log: [], remnants: [{ after, entries: span(20, 20, 2) }] },
    n3: { base: after, log: [], remnants: [], floor: null },
  }).start().pass(10 * PATIENCE_MS);
  assertEquals(world.ends(), ["20:2", "20:2", "19:1"]);
});

Deno.test("holes side by side: each ends where the log of another server does, and nobody has both ends of any", () => {
  const world = new World({
    n1: { log: span(1, 9), remnants: [span(11, 40)] },
    n2: { log: span(1, 10), remnants: [span(12, 40)] },
  }).start().pass(20 * PATIENCE_MS);
  assertEquals(world.ends(), ["40:1", "40:1"]);
});

Deno.test("a server that has both ends gives what is between them, up to the end of the hole", () => {
  const log = [...span(1, 15), ...span(16, 40, 2)];
  const server = new Server("n2", new World({}), { log, remnants: [], floor: null });
  server.remains.onQuestion(question, (message) => {
    assert(message.kind === "entriesPiece");
    assertEquals(message.entries, log.slice(9, 21));
  });
});

for (
  const { what, entries } of [
    { what: "does not begin behind our last entry", entries: span(11, 21) },
    { what: "goes on behind the hole", entries: span(10, 22) },
    { what: "has another term at the end of the hole", entries: [...span(10, 20), entryOf(21, 2)] },
  ]
) {
  Deno.test(`an answer that ${what} is no answer, and another server is asked`, () => {
    const world = new World({ n1: { log: span(1, 9), remnants: [span(21, 30)] } });
    world.answers = () => ({ kind: "entriesPiece", entries });
    world.start().pass(5 * PATIENCE_MS);
    assertEquals(world.ends(), ["9:1 below 30:1"]);
    assertEquals(new Set(world.servers.get("n1")?.asked), new Set(["n2", "n3"]));
  });
}

Deno.test("who does not answer is left, and what is said too late is not heard", () => {
  const world = new World({ n1: { log: span(1, 9), remnants: [span(21, 30)] } });
  world.answers = (to) => to === "n3" ? { kind: "entriesPiece", entries: span(10, 21) } : null;
  world.start().pass(4 * PATIENCE_MS);
  assertEquals(world.ends(), ["30:1"]);
});

Deno.test("where somebody leads, nobody is asked, and an answer that is under way does nothing", () => {
  const world = new World({ n1: { log: span(1, 9), remnants: [span(21, 30)] } });
  const server = must(world.servers.get("n1"), "It is there");
  world.answers = () => {
    server.raft.step(world.time.now, { kind: "message", from: "n2", message: append(5, "9:1", "") });
    return { kind: "entriesPiece", entries: span(10, 21) };
  };
  world.start().pass(10 * PATIENCE_MS);
  assertEquals(server.end, "9:1 below 30:1");
  assertEquals(server.asked.length, 1);
  server.remains.stop();
});

Deno.test("a leader that fell silent leads nobody, though no newer term was heard of: two that lost different parts help each other", () => {
  const world = new World({
    n1: { log: span(1, 9), remnants: [span(21, 40)] },
    n2: { log: span(1, 29), remnants: [span(31, 40)] },
  });
  const servers = [...world.servers.values()];
  for (const { raft } of servers) {
    raft.step(world.time.now, { kind: "message", from: "n3", message: append(5, "9:1", "") });
  }
  world.start().pass(2 * defaultSettings.electionTimeoutMaxMs);
  assertEquals(world.ends(), ["9:1 below 40:1", "29:1 below 40:1"]);
  for (const { raft } of servers) raft.step(world.time.now, { kind: "tick" });
  world.pass(20 * PATIENCE_MS);
  assertEquals(world.ends(), ["40:1", "40:1"]);
});

Deno.test("an answer to what followed an entry that a leader replaced meanwhile is no answer, though nobody leads any more", () => {
  const remnants = [span(21, 30, 3)];
  const world = new World({ n1: { log: span(1, 9), remnants, floor: { index: 30, term: 3 } } });
  const server = must(world.servers.get("n1"), "It is there");
  world.answers = () => {
    if (server.asked.length > 1) return null;
    const says = (message: Message) =>
      server.raft.step(world.time.now, { kind: "message", from: "n2", message });
    says(append(6, "8:1", "9:2"));
    says({ kind: "preVoteResponse", term: 7, voteGranted: false, round: 0 });
    // In the log of n3 these stand behind 9:1, as they did in ours.
    return { kind: "entriesPiece", entries: span(10, 21, 3) };
  };
  world.start().pass(5 * PATIENCE_MS);
  assertEquals([server.raft.view().leaderId, server.end], [null, "9:2 below 30:3"]);
});

Deno.test("where a leader filled the hole and left, what is here behind it is put back", () => {
  const world = new World({ n1: { log: span(1, 9), remnants: [span(11, 30)] } }).start();
  const server = must(world.servers.get("n1"), "It is there");
  const says = (message: Message) =>
    server.raft.step(world.time.now, { kind: "message", from: "n2", message });
  says(append(6, "9:1", "10:1 11:1"));
  says({ kind: "preVoteResponse", term: 7, voteGranted: false, round: 0 });
  world.pass(5 * PATIENCE_MS);
  assertEquals([server.raft.view().leaderId, server.end], [null, "30:1"]);
});

Deno.test("where nothing is missing nothing is asked", () => {
  const world = new World({ n1: { log: span(1, 30), remnants: [span(41, 50)], floor: null } });
  world.start().pass(5 * PATIENCE_MS);
  assertEquals([world.ends(), world.said], [["30:1"], []]);
});

Deno.test("three servers with holes in three places, two of which begin behind a snapshot: it comes in place of what they have left, and no floor is left", () => {
  const base = { index: 35, term: 1 };
  const world = new World({
    n1: { log: span(1, 9), remnants: [span(21, 100)] },
    n2: { base, log: span(36, 49), remnants: [span(61, 100)] },
    n3: { base, log: span(36, 69), remnants: [span(81, 100)] },
  }).start().pass(20 * PATIENCE_MS);
  assertEquals(world.ends(), ["100:1", "100:1", "100:1"]);
  assertEquals(world.servers.get("n1")?.needed, [10]);
});

Deno.test("a snapshot that ends in a hole: what is left of the hole comes from a log", () => {
  const world = new World({
    n1: { log: span(1, 9), remnants: [span(41, 100)] },
    n2: { base: { index: 20, term: 1 }, log: span(21, 100), remnants: [], floor: null },
  }).start().pass(20 * PATIENCE_MS);
  assertEquals(world.ends(), ["100:1", "100:1"]);
  assertEquals(world.servers.get("n1")?.raft.log.snapshotIndex, 20);
});

Deno.test("who lost all of its log but not where it ended gets what is committed, and the rest from a log", () => {
  const world = new World({
    n1: { log: [], remnants: [], floor: { index: 30, term: 1 } },
    n2: { base: { index: 20, term: 1 }, log: span(21, 30), remnants: [], floor: null },
  }).start().pass(20 * PATIENCE_MS);
  assertEquals(world.ends(), ["30:1", "30:1"]);
});

Deno.test("where the lost log had ended is asked for like what stands behind a hole", () => {
  const world = new World({
    n1: { log: span(1, 9), remnants: [], floor: { index: 30, term: 1 } },
    n2: { log: span(1, 40), remnants: [], floor: null },
  }).start().pass(3 * PATIENCE_MS);
  assertEquals([world.ends(), world.servers.get("n1")?.needed], [["30:1", "40:1"], []]);
});

Deno.test("where a log can tell, nobody asks for a snapshot", () => {
  const world = new World({
    n1: { log: span(1, 9), remnants: [span(21, 30)] },
    n2: { base: { index: 20, term: 1 }, log: span(21, 30), remnants: [], floor: null },
    n3: { log: span(1, 30), remnants: [], floor: null },
  }).start().pass(20 * PATIENCE_MS);
  assertEquals([world.ends(), world.servers.get("n1")?.needed], [["30:1", "30:1", "30:1"], []]);
});

Deno.test("of a log of which nobody knows the end nothing is asked behind what is left of it", () => {
  const floor = { index: BEYOND_THE_TERM, term: 5 };
  const world = new World({
    n1: { log: span(1, 9), remnants: [span(1, 9)], floor },
    n2: { base: { index: 20, term: 1 }, log: span(21, 30), remnants: [], floor: null },
  }).start().pass(20 * PATIENCE_MS);
  assertEquals([world.said, world.servers.get("n1")?.needed], [[], []]);
});
