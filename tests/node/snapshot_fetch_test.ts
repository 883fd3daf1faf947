/**
 * Kind: unit (one keeper of snapshots, its disk and its source played by hand).
 *
 * Invariant: a snapshot on its way is put together from each piece once, in order: a piece that comes twice or late is none, and one that nobody asked
 * for ends the fetch from that source.
 *
 * Learnt: the checksum of the whole finds a wrong piece only at the end; on a path that repeats things no snapshot would ever get through.
 */
import { assertEquals, assertLessOrEqual } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import type { BulkMessage } from "../../internal/codec/bulk_message.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { defaultLimits } from "../../internal/node/limits.ts";
import type { BulkLineEvents, SnapshotRoom } from "../../internal/node/ports.ts";
import { SnapshotKeeper } from "../../internal/node/snapshot_keeper.ts";
import { Raft } from "../../internal/raft/raft.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import { birth } from "../scenarios/stage.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";

const NAME = { index: 5, term: 1, bytes: 30, checksum: 7 };

class FetchStage {
  /** What was asked of whom, as text. */
  readonly asked: string[] = [];
  /** What was put on the disk. */
  readonly written: string[] = [];
  #events: BulkLineEvents | null = null;
  #done: ((error?: Error) => void) | null = null;

  readonly time = new VirtualTime();
  readonly clock = new LifeClock(this.time);

  constructor(startAt = 0, leader: string | null = "n2", strangers: readonly string[] = []) {
    const { clock, time } = this;
    time.now = startAt;
    const room: SnapshotRoom = {
      newest: null,
      coveredIndex: 0,
      take: () => {},
      read: () => {},
      receive: (_, done) => done(10 * this.written.length),
      received: (_name, offset, bytes, _begin, done) => {
        this.written.push(`${offset}: ${[...bytes].join()}`);
        this.#done = (error) => done(error ?? null);
      },
    };
    const keeper = new SnapshotKeeper({
      clusterId: "test",
      limits: { ...defaultLimits, snapshotPieceBytes: 10, snapshotPiecesMax: 2 },
      clock,
      random: new SeededRandom("due"),
      trace: { event: () => {} },
      machine: new KeyValueMachine(),
      room,
      peers: {
        isConnected: (id) => id !== "n1",
        openBulk: (to, events) => {
          this.#events = events;
          this.asked.push(to);
          return { send: (message) => void this.asked.push(textOf(message)), close: () => {} };
        },
      },
      raft: new Raft({
        id: "n1",
        settings: defaultSettings,
        recovered: { hardState: { currentTerm: 0, votedFor: null }, ...birth(["n1", "n2", "n3"]) },
        random: new SeededRandom("fetch"),
        now: 0,
      }),
      discardOnDisk: () => {},
      appliedIndex: () => 0,
      deliver: () => {},
      damaged: () => {},
    });
    keeper.need(leader, NAME.index, strangers);
    this.opens();
    this.hears({ kind: "snapshotOffer", name: NAME });
  }

  opens(): void {
    this.#events?.onOpen();
  }

  closes(): void {
    this.#events?.onClosed("the connection broke");
  }

  hears(message: BulkMessage): void {
    this.#events?.onMessage(message);
  }

  /** A piece of one byte, again and again. */
  gets(offset: number, byte: number, length = 10): void {
    this.hears({ kind: "snapshotPiece", name: NAME, offset, bytes: new Uint8Array(length).fill(byte) });
  }

  /** The disk took the piece. */
  sync(): void {
    const done = this.#done;
    this.#done = null;
    done?.();
  }

  fails(): void {
    this.#done?.(new Error("it is damaged"));
  }
}

function textOf(message: BulkMessage): string {
  return message.kind === "snapshotPieceQuestion" ? `${message.offset}+${message.length}` : message.kind;
}

const piece = (offset: number, byte: number) => `${offset}: ${new Array(10).fill(byte).join()}`;

Deno.test("pieces that come twice, or late, are none", () => {
  const stage = new FetchStage();
  assertEquals(stage.asked, ["n3", "snapshotQuestion", "0+10", "10+10"], "another than the leader is asked");
  stage.gets(0, 1);
  stage.gets(0, 1);
  stage.gets(10, 2);
  stage.gets(0, 9);
  stage.sync();
  stage.gets(10, 2);
  stage.sync();
  stage.gets(20, 3);
  stage.sync();
  assertEquals(stage.written, [piece(0, 1), piece(10, 2), piece(20, 3)]);
  assertEquals(stage.asked.slice(4), ["20+10"]);
});

Deno.test("an offer that comes twice asks anew for what is not here, and mixes nothing up", () => {
  const stage = new FetchStage();
  stage.gets(0, 1);
  stage.sync();
  stage.gets(10, 2);
  stage.sync();
  stage.hears({ kind: "snapshotOffer", name: NAME });
  assertEquals(stage.asked.slice(4), ["20+10", "20+10"]);
  stage.gets(20, 3);
  stage.sync();
  stage.gets(20, 3);
  assertEquals(stage.written, [piece(0, 1), piece(10, 2), piece(20, 3)]);
});

Deno.test("an empty piece, and one that nobody asked for, end the fetch from that source", () => {
  for (const length of [0, 21]) {
    const stage = new FetchStage();
    stage.gets(0, 1, length);
    assertEquals([stage.written, stage.asked.slice(4)], [[], ["n2"]]);
  }
});

Deno.test("a fetch without progress is given up at its time, whatever the rounding of the clock", () => {
  // 20000.548 + 30000 - 20000.548 is less than 30000, and so little that the rest of the time rounds to nothing.
  for (const startAt of [0, 0.1, 20000.548, 20001.37]) {
    const stage = new FetchStage(startAt);
    let alarms = 0;
    while (stage.asked.at(-1) !== "n2" && alarms < 100 && stage.time.step(Infinity)) alarms++;
    assertEquals(stage.asked.at(-1), "n2", `from ${startAt}`);
    assertLessOrEqual(alarms, 2);
  }
});

Deno.test("the next source is asked for nothing before it is there and has offered something", () => {
  const stage = new FetchStage();
  stage.gets(0, 1);
  stage.closes();
  stage.sync();
  assertEquals(stage.asked.slice(4), ["n2"], "the disk took a piece while the next source is dialled");
  stage.opens();
  stage.hears({ kind: "snapshotOffer", name: { ...NAME } });
  assertEquals(stage.asked.slice(5), ["snapshotQuestion", "10+10", "20+10"]);
});

Deno.test("a snapshot that is here is checked for as long as that takes, whoever falls silent meanwhile", () => {
  const stage = new FetchStage();
  for (const [offset, byte] of [[0, 1], [10, 2], [20, 3]] as const) {
    if (offset > 0) stage.sync();
    stage.gets(offset, byte);
  }
  const asked = stage.asked.length;
  const until = stage.time.now + 4 * defaultLimits.snapshotProgressMs;
  while (stage.time.step(until));
  stage.closes();
  assertEquals(stage.asked.slice(asked), [], "the disk takes its time with the last piece");
  stage.fails();
  assertEquals(stage.asked.slice(asked), ["n2"], "it was another snapshot than was offered");
});

Deno.test("where nobody leads everybody who is there is asked once, and whoever has one gives it", () => {
  const stage = new FetchStage(0, null);
  const [first, , ...rest] = stage.asked;
  assertEquals([first, rest], ["n2", ["0+10", "10+10"]]);
  const refusal = { kind: "snapshotRefusal", reason: "it has less" } as const;
  stage.hears(refusal);
  stage.opens();
  stage.hears(refusal);
  stage.hears({ kind: "snapshotOffer", name: NAME });
  assertEquals(stage.asked.slice(4), ["n3", "snapshotQuestion"]);
});

Deno.test("who is no member as far as a truncated log goes is asked as well, behind those who are", () => {
  const stage = new FetchStage(0, null, ["n4", "n2"]);
  const refusal = { kind: "snapshotRefusal", reason: "it has less" } as const;
  for (let i = 0; i < 3; i++) {
    stage.hears(refusal);
    stage.opens();
  }
  assertEquals(stage.asked.filter((one) => /^n\d$/.test(one)), ["n2", "n3", "n4"]);
});
