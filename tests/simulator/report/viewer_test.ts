/**
 * Kind: unit.
 *
 * Invariant: what the page says was so at a moment is what was recorded: states, lives, logs through cuts and resets, events in the order of
 * causes; windows stay within the run; spans in one row never cover each other.
 *
 * Learnt: the page's program is a script of its own; its parts are modules, so that they can be tested here and typed.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { changeText, eventsOf, hasWords, landmarks, nextEvent } from "./viewer/events.js";
import { layoutOf } from "./viewer/layout.js";
import { lastUpTo, lifeAt, logAt, shownMs, sleepsOf, stateAt, unpack } from "./viewer/model.js";
import { shortLabel } from "./viewer/paint_messages.js";
import { linesAround } from "./viewer/panels.js";
import { moved, packRows, tickStep, withCursor, withWindow, zoomed } from "./viewer/view.js";
import { packed } from "./pack.ts";
import type { RecordedServer, Recording, ServerState } from "./recording.ts";

const STATE: ServerState = {
  at: 0,
  role: "follower",
  term: 1,
  votedFor: null,
  leaderId: null,
  snapshotIndex: 0,
  lastIndex: 0,
  lastTerm: 0,
  commitIndex: 0,
  durableIndex: 0,
};

const SERVER: RecordedServer = {
  id: "n1",
  states: [STATE, { ...STATE, at: 10, role: "leader", term: 2, leaderId: "n1" }, {
    ...STATE,
    at: 50,
    term: 3,
  }],
  lives: [{ from: 0, to: 20, why: "killed" }, { from: 50, to: null, why: "" }],
  log: [
    { at: 10, from: 1, entries: [0, 1, 2], reset: false },
    { at: 12, from: 3, entries: [3], reset: false },
    { at: 50, from: 10, entries: [4], reset: true },
    { at: 60, from: 11, entries: [], reset: false },
    { at: 61, from: 9, entries: [], reset: false },
  ],
  writes: [{ at: 10, stableAt: 11, number: 1, text: "term 2" }, {
    at: 12,
    stableAt: null,
    number: 2,
    text: "log cut from 3 on",
  }],
};

const RECORDING: Recording = {
  seed: 1,
  command: "raftline simulate --seed 1",
  verdict: "correctness",
  reason: ["two leaders </script><b>"],
  endedAt: 100,
  healedAt: 80,
  core: ["n1"],
  traceHash: "00",
  odds: [["servers", "1"]],
  faults: [["pause", 1]],
  servers: [SERVER],
  clients: [0, 1000],
  entries: [],
  messages: [
    { at: 10, receivedAt: 12, from: "n1", to: "n2", class: "append", text: "Append entry 1", isCopy: false },
    { at: 10, receivedAt: 15, from: "n1", to: "n2", class: "append", text: "Append entry 1", isCopy: true },
    {
      at: 11,
      receivedAt: null,
      from: "n1",
      to: "n3",
      class: "heartbeat",
      text: "Heartbeat T2",
      isCopy: false,
    },
  ],
  strikes: [
    { at: 5, name: "pause", what: "sleeps", rows: "P2", whom: "n1", forMs: 4 },
    { at: 79, name: "suspend", what: "sleeps", rows: "P3", whom: "n1", forMs: 400 },
    { at: 79, name: "crash", what: "power", rows: "D1", whom: "n1", forMs: 0 },
  ],
  operations: [
    { client: 0, server: "n1", text: "SET k v", at: 20, answeredAt: 25, outcome: "ok", reply: "OK" },
    { client: 0, server: "n1", text: "GET k", at: 20, answeredAt: null, outcome: "pending", reply: "" },
    {
      client: 1000,
      server: "n1",
      text: "GET k",
      at: 81,
      answeredAt: 85,
      outcome: "unknown",
      reply: "connection gone",
    },
  ],
  notes: [{ at: 15, server: "n1", text: "objects to n2: lies" }],
};

Deno.test("the state, the life and the log of a server at a moment", () => {
  const rows: readonly (readonly [
    time: number,
    term: number | null,
    isUp: boolean,
    base: number,
    log: readonly number[],
  ])[] = [
    [-1, null, false, 0, []],
    [0, 1, true, 0, []],
    [9.999, 1, true, 0, []],
    [10, 2, true, 0, [0, 1, 2]],
    [12, 2, true, 0, [0, 1, 3]],
    [30, 2, false, 0, [0, 1, 3]],
    [50, 3, true, 9, [4]],
    [60, 3, true, 9, [4]],
    [70, 3, true, 9, []],
  ];
  for (const [time, term, isUp, base, log] of rows) {
    assertEquals(stateAt(SERVER, time)?.term ?? null, term, `at ${time}`);
    assertEquals(lifeAt(SERVER, time) !== null, isUp, `at ${time}`);
    assertEquals(logAt(SERVER, time), { base, entries: log }, `at ${time}`);
  }
});

Deno.test("the last of a list up to a time", () => {
  const list = [1, 1, 2, 5].map((at) => ({ at }));
  for (const [time, place] of [[0, -1], [1, 1], [1.5, 1], [2, 2], [9, 3]] as const) {
    assertEquals(lastUpTo(list, time), place);
  }
  assertEquals(lastUpTo([], 1), -1);
});

Deno.test("a sleep that the end of the faults cuts short ends there", () => {
  assertEquals(sleepsOf(RECORDING, "n1"), [{ from: 5, to: 9 }, { from: 79, to: 80 }]);
  assertEquals(sleepsOf(RECORDING, "n2"), []);
});

Deno.test("events: causes before effects, each message when it left and when it came, what got lost marked", () => {
  const events = eventsOf(RECORDING);
  assertEquals(events.map(({ at }) => at), events.map(({ at }) => at).toSorted((a, b) => a - b));
  assertEquals(events.filter(({ at }) => at === 10).map(({ class: kind, text }) => `${kind} ${text}`), [
    "state becomes leader of T2, follows n1",
    "disk disk #1: term 2  (+1.000 ms)",
    "append \u2192 n2  Append entry 1  (+2.000 ms)",
  ]);
  const texts = events.map(({ who, text }) => `${who} ${text}`);
  for (
    const text of [
      "n2 \u2190 n1  Append entry 1",
      "n2 \u2190 n1  Append entry 1  (once more)",
      "n1 \u2192 n3  Heartbeat T2  \u2715 never arrives",
      "n1 disk #2: log cut from 3 on  \u2715 never durable",
      "n1 ends: killed",
      "n1 starts as follower T3, log ends 0/T0, commit 0, snapshot 0",
      "client 0 asks n1  GET k",
      "client 1000 \u2190 n1  GET k \u2192 unknown: connection gone  (4.000 ms)",
      "pause n1 for 4 ms: sleeps (P2)",
      "healed the faults are over; the core is n1",
    ]
  ) assert(texts.includes(text), text);
  assertEquals(events.at(-1)?.text, "correctness: two leaders </script><b>");
});

Deno.test("what a state changed is said in words", () => {
  const changed = {
    ...STATE,
    votedFor: "n2",
    term: 2,
    lastIndex: 4,
    lastTerm: 2,
    durableIndex: 3,
    commitIndex: 1,
    snapshotIndex: 1,
  };
  assertEquals(
    changeText(STATE, changed),
    "enters T2, votes for n2 in T2, log 0/T0 \u2192 4/T2, durable 0 \u2192 3, commit 0 \u2192 1, snapshot 0 \u2192 1",
  );
  assertEquals(changeText(STATE, { ...STATE, at: 4 }), "goes on");
});

Deno.test("jumps find the next one in either direction, and nothing where there is none", () => {
  const events = eventsOf(RECORDING);
  const at = (name: string, from: number, direction: 1 | -1) =>
    nextEvent(events, from, direction, landmarks[name] ?? (() => false))?.at ?? null;
  assertEquals(at("leaders", 0, 1), 10);
  assertEquals(at("leaders", 10, 1), null);
  assertEquals(at("leaders", 100, -1), 10);
  assertEquals(at("faults", 5, 1), 79);
  assertEquals(at("log cuts", 0, 1), 12);
  assertEquals(at("unknown or refused", 0, 1), 85);
  assertEquals(at("objections and failed starts", 0, 1), 15);
  for (const name of Object.keys(landmarks)) assert(name === "votes" || at(name, -1, 1) !== null, name);
});

Deno.test("lines around the cursor: those before it end at it, words and classes leave some out", () => {
  const events = eventsOf(RECORDING);
  const all = new Set(events.map(({ class: kind }) => kind));
  const { before, behind } = linesAround(events, 12, { classes: all, words: [] });
  assertEquals(before.length + behind.length, events.length);
  assertEquals(before.at(-1)?.at, 12);
  assert(behind.every(({ at }) => at > 12));
  const few = linesAround(events, 100, { classes: new Set(["append"]), words: ["n1", "entry 1"] });
  assertEquals(few.before.map(({ class: kind }) => kind), ["append", "append", "append"]);
  assert(hasWords({ who: "client 0", text: "GET k" }, ["client", "get"]));
  assert(!hasWords({ who: "client 0", text: "GET k" }, ["client", "set"]));
});

Deno.test("a window is never longer than the run nor outside it, whatever is done to it", () => {
  const end = 1000;
  let view = withWindow({ from: 0, to: end, cursor: 0 }, 0, end, end);
  const steps = [
    () => zoomed(view, 0.01, 990, end),
    () => moved(view, 500, end),
    () => moved(view, -5000, end),
    () => zoomed(view, 1e-9, 3, end),
    () => withCursor(view, 500, end),
    () => zoomed(view, 1e9, 500, end),
  ];
  for (const step of steps) {
    view = step();
    assertGreaterOrEqual(view.from, -end * 0.02);
    assertLessOrEqual(view.to, end * 1.03);
    assertGreaterOrEqual(view.to - view.from, 0.04);
  }
  const near = withCursor(withWindow(view, 0, 10, end), 700, end);
  assert(near.from < 700 && near.to > 700 && near.to - near.from < 10.001);
  const zoomedAround = zoomed(withWindow(view, 400, 600, end), 0.5, 450, end);
  assertEquals([zoomedAround.from, zoomedAround.to], [425, 525]);
});

Deno.test("steps of an axis are round and few enough", () => {
  for (
    const [length, most, step] of [[1000, 10, 100], [1000, 9, 200], [22_250, 12, 2000], [
      0.5,
      10,
      0.05,
    ]] as const
  ) {
    assertEquals(tickStep(length, most), step);
  }
});

Deno.test("spans in one row never cover each other as long as there are rows", () => {
  const spans = Array.from({ length: 60 }, (_, i) => ({ from: i * 3, to: i * 3 + (i * 7) % 20 }));
  const { rows, count } = packRows(spans, 100);
  assertLessOrEqual(count, 8);
  spans.forEach((span, i) =>
    spans.slice(0, i).forEach((other, j) =>
      assert(rows[i] !== rows[j] || other.to <= span.from, `${i} and ${j}`)
    )
  );
  assertEquals(packRows(spans, 2).count, 2);
});

Deno.test("lanes do not cover each other, and fit where there is room", () => {
  const layout = layoutOf(RECORDING, 1200, 900);
  const tops = [...layout.servers, ...layout.clients].map(({ top, height }) => [top, top + height] as const);
  tops.forEach(([top], i) => assertGreaterOrEqual(top, tops[i - 1]?.[1] ?? layout.faultsTop));
  assertEquals(layout.height, 900);
  assertEquals(layout.clients[0]?.operations.map(({ row }) => row), [0, 1]);
});

Deno.test("what is packed for the page is unpacked by it", () => {
  assertEquals(unpack(JSON.parse(JSON.stringify(packed(RECORDING)))), RECORDING);
  const rows = Array.from(
    { length: 9 },
    (_, i) => ({ at: i / 7, inner: [{ a: 1 }, { b: 2 }, { a: 3 }, { a: 4 }] }),
  );
  assertEquals(
    unpack(packed(rows)),
    rows.map(({ at, inner }) => ({ at: Math.round(at * 1000) / 1000, inner })),
  );
});

Deno.test("times and labels for people", () => {
  assertEquals(shownMs(1234567.8912), "1\u202f234\u202f567.891");
  assertEquals(shownMs(1234, 0), "1\u202f234");
  assertEquals(
    shortLabel("Append entries 5\u20137 of term 2, T2, prev 4/T2, commit 4, round 9"),
    "Append entries 5\u20137 of term 2",
  );
  assertEquals(shortLabel("Heartbeat T2, prev 4/T2"), "Heartbeat T2");
});
