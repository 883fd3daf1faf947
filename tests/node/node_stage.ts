/**
 * One node of three between hands: its disk and its peers are lists that a test looks at and answers by hand.
 *
 * @module
 */
import { ExitCode, Refusal } from "../../internal/base/errors.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { type CommandBatch, encodeCommandBatch } from "../../internal/codec/command_batch.ts";
import type { PeerMessage } from "../../internal/codec/peer_message.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { defaultLimits, type NodeLimits } from "../../internal/node/limits.ts";
import { Node } from "../../internal/node/node.ts";
import type {
  KeptSnapshot,
  PeerRoomEvents,
  SnapshotPlace,
  SnapshotRoom,
  Store,
  StoreEvents,
} from "../../internal/node/ports.ts";
import type { Replay } from "../../internal/node/replay.ts";
import type { WriteEffect } from "../../internal/raft/effect.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import type { LogIndex, Recovered, Remnant, Term } from "../../internal/raft/types.ts";
import { birth } from "../scenarios/stage.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";

export interface Sent {
  readonly to: string;
  readonly message: PeerMessage;
}

export class NodeStage {
  readonly time = new VirtualTime();
  readonly sent: Sent[] = [];
  readonly writes: WriteEffect[] = [];
  /** When the disk was told to begin: the last index that had been written, and how many keys there were. */
  readonly begun: { readonly lastIndex: LogIndex; readonly keys: number }[] = [];
  /** What stands in its log for the operator. */
  readonly said: string[] = [];
  readonly node: Node;
  readonly machine: KeyValueMachine;
  /** Whether messages find a connection. */
  connected = true;
  /** Whether the disk says that it is full, and has no room for entries. */
  isFull = false;
  fatal: Error | null = null;
  /** Who the other members are, and up to where the disk may let go of the log. */
  members: readonly string[] = [];
  readonly discarded: LogIndex[] = [];
  readonly snapshots = new SnapshotHands();
  #store: StoreEvents | null = null;
  #peers: PeerRoomEvents | null = null;
  #durable = 0;

  constructor(
    limits: Partial<NodeLimits> = {},
    seed = "node",
    start: {
      recovered?: Partial<Recovered>;
      machine?: KeyValueMachine;
      replay?: Replay;
      remnants?: Remnant[];
      peerAddress?: string;
    } = {},
  ) {
    this.machine = start.machine ?? new KeyValueMachine();
    const random = new SeededRandom(seed);
    this.node = new Node({
      id: "n1",
      clusterId: "test",
      self: { incarnation: "", peerAddress: start.peerAddress ?? "", clientAddress: "n1:7001" },
      settings: { ...defaultSettings, heartbeatMs: 50, electionTimeoutMinMs: 300, electionTimeoutMaxMs: 600 },
      limits: { ...defaultLimits, ...limits },
      recovered: {
        hardState: { currentTerm: 0, votedFor: null },
        ...birth(["n1", "n2", "n3"]),
        ...start.recovered,
      },
      clock: new LifeClock(this.time),
      random,
      trace: { event: (_, event) => this.said.push(event) },
      store: this.#disk(),
      snapshots: this.snapshots,
      peers: {
        start: (events) => this.#peers = events,
        setMembers: (members) => this.members = members.map(({ id }) => id),
        openBulk: () => null,
        askWho: (_, done) => done("nobody is there"),
        send: (to, message) => {
          if (this.connected) this.sent.push({ to, message });
          return this.connected;
        },
        isConnected: () => this.connected,
        clientAddressOf: () => null,
        stop: () => {},
      },
      machine: this.machine,
      ...(start.replay === undefined ? {} : { replay: start.replay }),
      ...(start.remnants === undefined ? {} : { remnants: start.remnants }),
    });
    this.node.start({ onFatal: (refusal) => this.fatal = refusal });
  }

  #disk(): Store {
    const isFull = () => this.isFull;
    return {
      get isFull() {
        return isFull();
      },
      get takesEntries() {
        return !isFull();
      },
      listen: (events) => this.#store = events,
      write: (effect) => this.writes.push(effect),
      discard: (index) => this.discarded.push(index),
      endRepair: () => {},
      begin: () =>
        this.begun.push({
          lastIndex: this.writes.at(-1)?.append.at(-1)?.index ?? 0,
          keys: this.machine.size(),
        }),
      noteLoss: (_, done) => done(),
    };
  }

  /** Lets time pass. */
  pass(ms: number): void {
    const until = this.time.now + ms;
    while (this.time.step(until));
    this.time.now = until;
  }

  hears(from: string, message: PeerMessage): void {
    this.#peers?.onMessage(from, message);
    this.pass(0);
  }

  /** A member dialled in and said who it is. */
  introduce(id: string, incarnation: string): void {
    this.#peers?.onIntroduced(id, incarnation, `${id}:1`);
    this.pass(0);
  }

  /** A member turns us away. */
  turnedAwayBy(id: string): void {
    this.#peers?.onNoMember(id);
  }

  disconnect(id: string): void {
    this.#peers?.onDisconnected(id);
  }

  /** A write or sync failed; nothing becomes stable any more. */
  failDisk(): void {
    this.#store?.onFailure(new Refusal(ExitCode.diskIo, "the disk failed"));
    this.pass(0);
  }

  /** The disk has everything that was asked of it so far. */
  sync(): void {
    const last = this.writes.at(-1)?.number ?? 0;
    if (last === this.#durable) return;
    this.#durable = last;
    this.#store?.onStable(last);
    this.pass(0);
  }

  /** Becomes leader, with the vote of n2; gives the term. */
  lead(): Term {
    while (this.node.status().role !== "candidate") this.pass(10);
    const { term: before } = this.node.status();
    const asked = this.sent.map(({ message }) => message).findLast(({ kind }) => kind === "preVoteRequest");
    const round = asked?.kind === "preVoteRequest" ? asked.round : 0;
    this.hears("n2", { kind: "preVoteResponse", term: before, voteGranted: true, round });
    this.sync();
    const term = this.node.status().term;
    this.hears("n2", { kind: "requestVoteResponse", term, voteGranted: true });
    this.sync();
    return term;
  }

  /** The follower n2 has everything. */
  acknowledge(round = 0, from = "n2"): void {
    const { term, lastIndex } = this.node.status();
    this.hears(from, {
      kind: "appendEntriesResponse",
      term,
      requestTerm: term,
      success: true,
      prevLogIndex: lastIndex,
      round,
      matchIndex: lastIndex,
      hintIndex: 0,
      hintTerm: 0,
      epoch: 0,
    });
  }

  /** Hears of a leader of that term. */
  follow(leader: string, term: Term): void {
    this.hears(leader, {
      kind: "appendEntriesRequest",
      term,
      prevLogIndex: 0,
      prevLogTerm: 0,
      entries: [],
      leaderCommit: 0,
      health: { diskMs: 0, loopMs: 0 },
      epoch: 0,
      round: 0,
    });
    this.sync();
  }

  /** A client's command; its answers are gathered. */
  ask(kind: "set" | "get", key: string, value = ""): Reply[] {
    const answers: Reply[] = [];
    this.node.submit(
      this.node.newOrder(),
      kind === "set" ? "write" : "read",
      batchOf(command(kind, key, value), 1),
      {
        answer: (reply) => answers.push(reply),
      },
    );
    this.pass(0);
    return answers;
  }

  /** Takes what was sent so far of one kind. */
  take<Kind extends PeerMessage["kind"]>(kind: Kind): Extract<PeerMessage, { kind: Kind }>[] {
    const isKind = (message: PeerMessage): message is Extract<PeerMessage, { kind: Kind }> =>
      message.kind === kind;
    const found = this.sent.map(({ message }) => message).filter(isKind);
    this.sent.length = 0;
    return found;
  }
}

/** Snapshots between hands: none is there, and those that are taken are read to their end and forgotten. */
export class SnapshotHands implements SnapshotRoom {
  newest: KeptSnapshot | null = null;
  coveredIndex: LogIndex = 0;
  /** How many were begun. */
  taken = 0;

  take(_: SnapshotPlace, next: () => Uint8Array | null): void {
    this.taken++;
    while (next() !== null);
  }

  read(): void {}
  receive(): void {}
  received(): void {}
}

/** Bytes that hold so many commands and nothing else. */
export function batchOf(bytes: Uint8Array, count: number): CommandBatch {
  return { bytes, from: 0, to: bytes.length, count };
}

/** A batch of one command. */
export function command(kind: "set" | "get", key: string, value = ""): Uint8Array {
  const encoder = new TextEncoder();
  return encodeCommandBatch([
    kind === "set"
      ? encodeCommand(Operation.set, [encoder.encode(key), encoder.encode(value), new Uint8Array(0)])
      : encodeCommand(Operation.get, [encoder.encode(key)]),
  ]);
}
