/**
 * What is checked of the servers while a world runs: the properties of tests/invariants, handed what passes at the seams.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import { decodeCommandBatch } from "../../internal/codec/command_batch.ts";
import type { PeerMessage } from "../../internal/codec/peer_message.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import type { Effect, WriteEffect } from "../../internal/raft/effect.ts";
import type { Message } from "../../internal/raft/message.ts";
import type { Raft, StateView } from "../../internal/raft/raft.ts";
import type { Settings } from "../../internal/raft/state.ts";
import type { LogIndex, ServerId, Term, WriteNumber } from "../../internal/raft/types.ts";
import { checkHoldings, checkMessage } from "../invariants/bounds.ts";
import { CommittedIsDurable } from "../invariants/committed_is_durable.ts";
import type { PlacedConfiguration } from "../invariants/configuration_steps.ts";
import { type Before, checkLoss } from "../invariants/confessed_loss.ts";
import { checkPromise } from "../invariants/durable_promise.ts";
import { checkFiles } from "../invariants/expected_files.ts";
import { Ghost, type PrefixHash, Violation } from "../invariants/ghost.ts";
import { checkStart } from "../invariants/legal_start.ts";
import { LostLogs } from "../invariants/lost_logs.ts";
import { MatchIsTrue } from "../invariants/match_is_true.ts";
import { raftProperties } from "../invariants/properties.ts";
import { checkRemains, type Remains } from "../invariants/remains.ts";
import { openDisk, replayOf } from "./assemble.ts";
import { STRANGE_FILES } from "./damage.ts";
import { DurableLog, type DurableSource } from "./durable_log.ts";
import type { History } from "./history.ts";
import type { Odds } from "./odds.ts";
import type { Server } from "./server.ts";
import type { SimNetwork } from "./sim_network.ts";
import { LifeClock, VirtualTime } from "./virtual_time.ts";

/** What is remembered of a server's disk and of what is on its way there. */
interface Watched {
  /** Of its disk as it was last, if that was lost. */
  readonly log: DurableLog;
  /** Writes of this life that are not stable yet. */
  pending: WriteEffect[];
  /** Acknowledgements of this life that did not leave yet, with the prefix that each one acknowledges. */
  readonly acknowledged: Map<Message, PrefixHash | undefined>;
  /** What was on its disk before something rotted, until it is back. */
  before: Before | null;
}

/** What an inspection needs of the world. */
interface Inspected {
  readonly servers: readonly Server[];
  readonly odds: Odds;
  readonly network: SimNetwork;
  readonly history: History;
}

export interface Configurations {
  readonly committed: readonly PlacedConfiguration[];
  readonly views: ReadonlyMap<ServerId, StateView>;
}

export class Checks {
  readonly #properties = raftProperties();
  readonly #lost = new LostLogs();
  readonly #durable: CommittedIsDurable;
  readonly #ghost: Ghost;
  readonly #settings: Settings;
  readonly #watched = new Map<ServerId, Watched>();
  /** The log index of each command, in the order in which commands are applied. */
  readonly #indexOf: LogIndex[] = [];
  /** Up to where a server has on its disk what is committed. */
  committedOnDisk(id: ServerId): LogIndex {
    const { log } = this.#of(id);
    let index = Math.min(log.lastIndex, this.#ghost.committedIndex);
    while (index > 0 && log.prefixAt(index) !== this.#ghost.committedHash(index)) index--;
    return index;
  }

  /** All that is committed is whole on some disk. */
  remain(disks: readonly Remains[]): void {
    checkRemains(disks, this.#ghost.committedIndex, (index) => this.#ghost.committedHash(index));
  }

  /** How many commands are in the log up to each index. */
  readonly #commandsUpTo: number[] = [0];
  #applied: LogIndex = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    const disks = (id: ServerId) => this.#of(id).log;
    this.#durable = new CommittedIsDurable(disks, this.#lost);
    this.#ghost = new Ghost([
      ...this.#properties.all,
      this.#durable,
      new MatchIsTrue(disks, this.#lost),
      this.#lost,
    ]);
  }

  add(server: DurableSource & Pick<Server, "watchedAs" | "disk">): void {
    const log = new DurableLog(server, (index) => this.#ghost.coveredUpTo(index));
    server.disk.onRemove = () => log.follow();
    this.#watched.set(server.watchedAs, {
      log,
      pending: [],
      acknowledged: new Map(),
      before: null,
    });
  }

  /** Every configuration that is known to be committed, and the newest in the log of each server. */
  get configurations(): Configurations {
    return { committed: this.#properties.configurations.committed, views: this.#ghost.views };
  }

  /** What was on the disk of a server before it was lost still counts for what was promised by then. */
  wiped(id: ServerId): void {
    this.#of(id).log.freeze();
  }

  /** Closed files of a server rot while it is up: they are not read any more until its life ends, and were read so far. */
  rotsUnderneath(id: ServerId): void {
    this.#of(id).log.follow();
  }

  /** Something on the disk of a server that is down rots, or did while it was up: what was there before is remembered. */
  rots(id: ServerId, epoch: number, promised: Term): void {
    const watched = this.#of(id);
    if (watched.before !== null) return;
    const { prefix } = watched.log;
    watched.before = { epoch, last: watched.log.lastUpTo(promised), prefix, held: watched.log.held };
    this.#lost.struck(id, prefix);
    watched.log.restart();
  }

  /** A server is back; tells whether it lost a part of its log. */
  started(
    id: ServerId,
    raft: Raft,
    epoch: number,
  ): { readonly view: StateView; readonly isLost: boolean } {
    const watched = this.#of(id);
    const { before } = watched;
    watched.before = null;
    if (before === null) return { view: this.#ghost.started(id, raft), isLost: false };
    // What could not be used was put aside, and may have been read before.
    watched.log.restart();
    this.#ghost.loses(id);
    const view = this.#ghost.started(id, raft);
    const { floor, snapshotIndex, lastIndex } = view;
    const back = { epoch, floor, snapshotIndex, lastIndex, prefix: this.#ghost.prefixOf(id) };
    const isLost = checkLoss(id, before, back);
    this.#lost.isBack(id, epoch > before.epoch ? epoch : null);
    if (epoch > before.epoch) this.#properties.monotonic.lost(id);
    return { view, isLost };
  }

  ended(id: ServerId): void {
    const watched = this.#of(id);
    watched.log.restart();
    watched.pending = [];
    watched.acknowledged.clear();
  }

  stepped(id: ServerId, raft: Raft, effects: readonly Effect[]): StateView {
    const view = this.#ghost.stepped(id, raft, effects);
    for (const effect of effects) {
      if (effect.kind === "send") this.#sends(id, effect.message);
      else if (effect.kind === "apply") {
        for (const entry of effect.entries) {
          if (entry.index === this.#applied + 1) {
            this.#applies(entry.index, entry.kind === "command" ? entry.payload : null);
          }
        }
      }
    }
    return view;
  }

  /** How many commands are in the log up to that index, which somebody applied. */
  commandsUpTo(index: LogIndex): number {
    const count = this.#commandsUpTo[index];
    if (count === undefined) {
      throw new Violation(`nobody applied index ${index}, and there is a snapshot of it`);
    }
    return count;
  }

  /** The highest term that any of these servers was seen in. */
  highestTerm(ids: readonly ServerId[]): Term {
    return Math.max(0, ...ids.map((id) => this.#ghost.views.get(id)?.currentTerm ?? 0));
  }

  /** A message is handed to the peers' room; whether it gets out is another matter. */
  leaves(id: ServerId, to: ServerId, message: PeerMessage, sent: boolean): void {
    if (!isOfCore(message)) return;
    const { acknowledged, log } = this.#of(id);
    const hash = acknowledged.get(message);
    acknowledged.delete(message);
    if (!sent) return;
    this.#properties.monotonic.promised(id, to, message);
    checkPromise({ server: id, to, message, acknowledged: hash }, log);
  }

  wrote(id: ServerId, effect: WriteEffect): void {
    this.#of(id).pending.push(effect);
  }

  stable(id: ServerId, upTo: WriteNumber): void {
    const watched = this.#of(id);
    if (watched.pending.at(-1)?.number === upTo) watched.pending = [];
    else watched.pending = watched.pending.filter(({ number }) => number > upTo);
  }

  /** A client is told that the command at that place of the common order happened. */
  acknowledged(command: number, what: string): void {
    const index = this.#indexOf[command];
    if (index === undefined) throw new Violation(`${what} is acknowledged and nobody applied it`);
    this.#durable.replied(index, what);
  }

  /**
   * What is looked at now and then: files, queues, timers, and whether a crash at this moment leaves a legal start. Tells how many entries
   * that took.
   */
  async inspect(server: Server, world: Inspected, random: Random): Promise<number> {
    const { life, watchedAs: id } = server;
    const { servers, odds, network } = world;
    checkFiles(id, server.disk.paths(), STRANGE_FILES);
    if (life === null || life.node === null) return 0;
    const { node, clock } = life;
    const { pending, log } = this.#of(id);
    const wakeAt = node.raft.wakeAt;
    checkHoldings({
      server: id,
      lateMs: clock.mayHaveMissed || life.isStopped || !Number.isFinite(wakeAt) ? 0 : clock.now() - wakeAt,
      connections: servers.filter((other) => other !== server).map((other) =>
        [other.id, network.connectionsBetween(server.id, other.id)] as const
      ),
    });
    // Whoever starts on rot goes on with less.
    if (server.isRotten || server.disk.unreadable !== null) return 0;
    const disk = server.disk.cloneWithPending(random.fork("disk"));
    disk.crash();
    const time = new VirtualTime();
    const machine = new KeyValueMachine();
    const replay = replayOf(machine, odds);
    const opening = openDisk(
      disk,
      { id: server.id, ids: server.birth, odds, clock: new LifeClock(time), random },
      machine,
      replay,
    );
    let isOver = false;
    opening.finally(() => isOver = true).catch(() => {});
    while (!isOver) {
      for (let i = 0; i < 16; i++) await null;
      if (!isOver && !time.step(Infinity)) throw new Error("The recovery of a copied disk waits for nothing");
    }
    const { recovered } = await opening;
    checkStart(id, recovered, log, pending, (index) => this.#ghost.committedHash(index));
    world.history.checkState(this.commandsUpTo(replay.appliedIndex), machine.digest(), id);
    return recovered.entries.length;
  }

  #sends(id: ServerId, message: Message): void {
    if (message.kind === "appendEntriesResponse" || message.kind === "installSnapshotResponse") {
      if (message.matchIndex === 0) return;
      this.#of(id).acknowledged.set(message, this.#ghost.prefixOf(id)[message.matchIndex]);
    } else checkMessage(id, message, this.#settings);
  }

  #applies(index: LogIndex, payload: Uint8Array | null): void {
    this.#applied = index;
    const commands = payload === null ? [] : decodeCommandBatch(payload);
    if (typeof commands === "string") throw new Violation(`entry ${index} holds no commands: ${commands}`);
    for (let i = 0; i < commands.length; i++) this.#indexOf.push(index);
    this.#commandsUpTo[index] = this.#indexOf.length;
  }

  #of(id: ServerId): Watched {
    const watched = this.#watched.get(id);
    if (watched === undefined) throw new Error(`${id} is no server of this world`);
    return watched;
  }
}

/** Whether the core made it, and not the shell around it. */
function isOfCore(message: PeerMessage): message is Message {
  switch (message.kind) {
    case "forwardRequest":
    case "forwardResponse":
    case "digestReport":
    case "adminRequest":
    case "adminResponse":
    case "readIndexRequest":
    case "readIndexResponse":
      return false;
    default:
      return true;
  }
}
