/**
 * Several cores on one stage, between which nothing happens that a script does not say: the network is a row of messages, the
 * disk a row of writes, time moves when it is told to.
 *
 * Keeps true: after every step of every core the Raft properties are checked, so a script can break one by no means; a promise leaves only
 * when its write is stable; a crash keeps of the unsynced writes as many as the script says.
 *
 * A snapshot is what is committed: a server that needs one takes over the committed prefix of another, as the shells arrange it
 * in life.
 *
 * @module
 */
import { must } from "../../internal/base/assert.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { NO_MEMBERS } from "../../internal/raft/configuration.ts";
import type { Effect, SendEffect, WriteEffect } from "../../internal/raft/effect.ts";
import type { Input } from "../../internal/raft/input.ts";
import type { Message } from "../../internal/raft/message.ts";
import { Raft, type RaftOptions } from "../../internal/raft/raft.ts";
import { defaultSettings, type Settings } from "../../internal/raft/state.ts";
import type {
  ConfigurationValue,
  Entry,
  HardState,
  LogIndex,
  ServerId,
  Term,
} from "../../internal/raft/types.ts";
import { Ghost } from "../invariants/ghost.ts";
import { raftProperties } from "../invariants/properties.ts";

/** What a crash leaves. */
interface Disk {
  hardState: HardState;
  base: { index: LogIndex; term: Term; configuration: ConfigurationValue; configurationIndex: LogIndex };
  entries: Entry[];
  commitIndex: LogIndex;
  epoch: number;
}

interface Actor {
  readonly id: ServerId;
  raft: Raft;
  readonly disk: Disk;
  pending: WriteEffect[];
  held: SendEffect[];
  /** Syncs at once what is written. */
  isPrompt: boolean;
  isUp: boolean;
  lives: number;
}

export interface Envelope {
  readonly from: ServerId;
  readonly to: ServerId;
  readonly message: Message;
}

/** A server at the rise of the curtain. */
export interface Birth {
  readonly id: ServerId;
  readonly configuration: ConfigurationValue | null;
  readonly hardState?: HardState;
  readonly entries?: readonly Entry[];
}

export class Theatre {
  readonly actors = new Map<ServerId, Actor>();
  envelopes: Envelope[] = [];
  now = 0;
  readonly ghost: Ghost;
  readonly #properties = raftProperties();
  readonly #settings: Settings;
  readonly #cuts = new Set<string>();
  readonly #seed: string;
  readonly #makeRaft: (options: RaftOptions) => Raft;
  readonly #say: (who: ServerId, effect: Effect) => void;

  constructor(
    births: readonly Birth[],
    settings: Partial<Settings>,
    say: (who: ServerId, effect: Effect) => void,
    seed = "theatre",
    makeRaft: (options: RaftOptions) => Raft = (options) => new Raft(options),
  ) {
    this.#makeRaft = makeRaft;
    this.#seed = seed;
    this.#settings = { ...defaultSettings, ...settings };
    this.#say = say;
    this.ghost = new Ghost(this.#properties.all);
    for (const { id, configuration, hardState, entries = [] } of births) {
      const disk: Disk = {
        hardState: hardState ?? { currentTerm: entries.at(-1)?.term ?? 0, votedFor: null },
        base: { index: 0, term: 0, configuration: configuration ?? NO_MEMBERS, configurationIndex: 0 },
        entries: [...entries],
        commitIndex: 0,
        epoch: 0,
      };
      this.actors.set(id, {
        id,
        raft: this.#born(id, disk, 0),
        disk,
        pending: [],
        held: [],
        isPrompt: true,
        isUp: true,
        lives: 0,
      });
    }
  }

  actor(id: ServerId): Actor {
    const actor = this.actors.get(id);
    if (actor === undefined) throw new Error(`Cannot find ${id} on the stage`);
    return actor;
  }

  input(id: ServerId, input: Input): void {
    const actor = this.actor(id);
    if (!actor.isUp) return;
    const effects = actor.raft.step(this.now, input);
    this.ghost.stepped(id, actor.raft, effects);
    for (const effect of effects) {
      this.#say(id, effect);
      if (effect.kind === "write") actor.pending.push(effect);
      if (effect.kind === "send") {
        if (effect.after === null) this.#leave(id, effect);
        else actor.held.push(effect);
      }
    }
    if (actor.isPrompt) this.sync(id);
  }

  /** The oldest `count` writes reach the disk. */
  sync(id: ServerId, count = Infinity): void {
    const actor = this.actor(id);
    const done = actor.pending.splice(0, Math.min(count, actor.pending.length));
    for (const write of done) applyWrite(actor, write);
    const upTo = done.at(-1)?.number;
    if (upTo === undefined) return;
    const ready = actor.held.filter(({ after }) => (after ?? 0) <= upTo);
    actor.held = actor.held.filter(({ after }) => (after ?? 0) > upTo);
    for (const send of ready) this.#leave(id, send);
    this.input(id, { kind: "stable", upTo });
  }

  /** Time moves on to when that server wants to act, and it does; nobody else notices but by their own clocks. */
  timeout(id: ServerId): void {
    const { raft, isUp } = this.actor(id);
    if (!isUp || !Number.isFinite(raft.wakeAt)) return;
    this.now = Math.max(this.now, raft.wakeAt);
    this.input(id, { kind: "tick" });
  }

  /** Time passes for everybody, each acts when it wants to, and messages arrive at once. */
  pass(ms: number): void {
    const until = this.now + ms;
    while (true) {
      this.deliverAll();
      const next = [...this.actors.values()].filter(({ isUp }) => isUp)
        .sort((a, b) => a.raft.wakeAt - b.raft.wakeAt)[0];
      if (next === undefined || next.raft.wakeAt > until) break;
      this.now = Math.max(this.now, next.raft.wakeAt);
      this.input(next.id, { kind: "tick" });
    }
    this.now = until;
  }

  /** Delivers the message at that place, and takes it out unless it stays to be delivered again. */
  deliver(place: number, again = false): Envelope {
    const envelope = must(this.envelopes[place], "There is a message at this place");
    if (!again) this.envelopes.splice(place, 1);
    this.arrive(envelope);
    return envelope;
  }

  /** A message arrives, whether it is still under way or not. */
  arrive({ from, to, message }: Envelope): void {
    this.input(to, { kind: "message", from, message });
  }

  deliverAll(): void {
    for (let steps = 0; this.envelopes.length > 0; steps++) {
      if (steps > 100_000) throw new Error("Cannot come to rest: messages beget messages for ever");
      this.deliver(0);
    }
  }

  cut(from: ServerId, to: ServerId): void {
    this.#cuts.add(`${from}>${to}`);
    this.envelopes = this.envelopes.filter((one) => one.from !== from || one.to !== to);
  }

  mend(from: ServerId, to: ServerId): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  mendAll(): void {
    this.#cuts.clear();
  }

  /** The process dies, with the machine's power; of its unsynced writes the first `kept` are on the disk. */
  crash(id: ServerId, kept: number): void {
    const actor = this.actor(id);
    for (const write of actor.pending.slice(0, kept)) applyWrite(actor, write);
    actor.pending = [];
    actor.held = [];
    actor.isUp = false;
  }

  restart(id: ServerId): void {
    const actor = this.actor(id);
    actor.lives++;
    actor.raft = this.#born(id, actor.disk, actor.lives);
    actor.isUp = true;
  }

  /** A server leaves the committed beginning of its log behind, in memory and on disk. */
  discard(id: ServerId, index: LogIndex): void {
    const { raft, disk } = this.actor(id);
    const { index: configurationIndex, configuration } = raft.configurationAt(index);
    const term = raft.log.termAt(index);
    disk.entries.splice(0, index - disk.base.index);
    disk.base = { index, term, configuration, configurationIndex };
    disk.commitIndex = Math.max(disk.commitIndex, index);
    this.input(id, { kind: "discardPrefix", index });
  }

  /** A server gets a snapshot of everything that another one knows to be committed, or up to an index. */
  fetch(id: ServerId, from: ServerId, upTo?: LogIndex): LogIndex {
    const source = this.actor(from).raft;
    const index = upTo ?? source.view().commitIndex;
    const { index: configurationIndex, configuration } = source.configurationAt(index);
    const term = source.log.termAt(index);
    const { disk } = this.actor(id);
    disk.base = index > disk.base.index + disk.entries.length
      ? { index, term, configuration, configurationIndex }
      : disk.base;
    this.input(id, { kind: "snapshotReceived", index, term, configuration, configurationIndex });
    return index;
  }

  #leave(from: ServerId, { to, message }: SendEffect): void {
    this.#properties.monotonic.promised(from, to, message);
    if (this.#cuts.has(`${from}>${to}`) || !this.actors.has(to)) return;
    this.envelopes.push({ from, to, message });
  }

  #born(id: ServerId, disk: Disk, lives: number): Raft {
    const raft = this.#makeRaft({
      id,
      settings: this.#settings,
      recovered: {
        hardState: disk.hardState,
        snapshotIndex: disk.base.index,
        snapshotTerm: disk.base.term,
        configuration: disk.base.configuration,
        configurationIndex: disk.base.configurationIndex,
        commitIndex: Math.max(disk.base.index, disk.commitIndex),
        entries: disk.entries.slice(),
        epoch: disk.epoch,
        floor: null,
      },
      random: new SeededRandom(`${this.#seed}/${id}/${lives}`),
      now: this.now,
    });
    this.ghost.started(id, raft);
    return raft;
  }
}

function applyWrite({ disk, raft }: Actor, write: WriteEffect): void {
  if (write.hardState !== null) disk.hardState = write.hardState;
  if (write.reset !== null) {
    const { index, term } = write.reset;
    const { index: configurationIndex, configuration } = raft.configurationAt(index);
    disk.base = { index, term, configuration, configurationIndex };
    disk.entries = [];
  }
  if (write.truncateFrom !== null) disk.entries.length = write.truncateFrom - disk.base.index - 1;
  disk.entries.push(...write.append);
  disk.commitIndex = Math.max(disk.commitIndex, write.commitIndex);
}
