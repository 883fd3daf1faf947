/**
 * One server as the enumeration sees it: a core, its disk, the writes that are not synced and the messages that wait for them. A step
 * depends on nothing else, so it is taken once and remembered, in however many states of the cluster it occurs.
 *
 * Time is left out. Where neither loyalty nor a lease is asked for, no decision rests on it but when a timer rings, and here a timer may
 * ring at any moment: so clocks are no part of a key.
 *
 * Checks what needs one server's eyes only: leader append-only, ordering, commit rule, honest messages, order of application (I2,
 * I8, I14, I15, I17), that nobody objects, and that promises are durable when they leave (I10, I11).
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import type { Effect, WriteEffect } from "../../internal/raft/effect.ts";
import type { Input } from "../../internal/raft/input.ts";
import type { Message } from "../../internal/raft/message.ts";
import type { Raft, RaftOptions } from "../../internal/raft/raft.ts";
import { defaultSettings, type Settings } from "../../internal/raft/state.ts";
import type { Entry, LogIndex, ServerId, Term } from "../../internal/raft/types.ts";
import { CommitRule } from "../invariants/commit_rule.ts";
import { Ghost, type PrefixHash, Violation } from "../invariants/ghost.ts";
import { HonestMessages } from "../invariants/honest_messages.ts";
import { LeaderAppendOnly } from "../invariants/leader_append_only.ts";
import { Ordering } from "../invariants/ordering.ts";
import { birth } from "../scenarios/stage.ts";
import { applyWrite, checkPromise, type Disk } from "./disk.ts";

/** What can be done to a server, besides crashing it. */
export type Action =
  | { readonly kind: "timeout" }
  | { readonly kind: "sync" }
  | { readonly kind: "write"; readonly number: number }
  | { readonly kind: "read"; readonly number: number }
  | { readonly kind: "message"; readonly from: ServerId; readonly message: Message };

interface Held {
  readonly to: ServerId;
  readonly message: Message;
  readonly after: number;
  readonly hash: PrefixHash | undefined;
}

/** What a step did that others can see, or that the checks of the whole cluster ask for. */
export interface Outcome {
  readonly sent: { readonly to: ServerId; readonly message: Message }[];
  /** For whom it decided to vote. */
  readonly granted: ServerId[];
  /** What it removed from its log: the first place, and the hash up to there. */
  readonly removed: { readonly index: LogIndex; readonly hash: PrefixHash }[];
  readonly readable: { readonly number: number; readonly index: LogIndex }[];
}

/** How a core is made; a mutant is made otherwise. */
export type MakeRaft = (options: RaftOptions) => Raft;

/** Names a server in a key; other names give the key of the state with the servers exchanged. */
export type Naming = (id: ServerId) => string;

/** Always draws the lowest. */
const lowest: Random = {
  uint32: () => 0,
  below: () => 0,
  between: (low) => low,
  chance: () => false,
  fork: () => lowest,
};

/** Nothing that rests on time: no loyalty, no leases. One message with entries at a time to each follower. */
const TIMELESS: Settings = { ...defaultSettings, preVote: false, checkQuorum: false, inFlightMessagesMax: 1 };

export class Life {
  readonly id: ServerId;
  readonly raft: Raft;
  readonly disk: Disk;
  #pending: WriteEffect[] = [];
  #held: Held[] = [];
  #now = 0;
  readonly #ghost = new Ghost([
    new LeaderAppendOnly(),
    new Ordering(),
    new CommitRule(),
    new HonestMessages(),
  ]);

  /** The disk is copied. */
  constructor(
    id: ServerId,
    voters: readonly ServerId[],
    disk: Disk,
    settings: Partial<Settings>,
    makeRaft: MakeRaft,
  ) {
    this.id = id;
    this.disk = { hardState: disk.hardState, entries: [...disk.entries], prefix: [...disk.prefix] };
    this.raft = makeRaft({
      id,
      settings: { ...TIMELESS, ...settings },
      recovered: { hardState: disk.hardState, ...birth(voters), entries: [...disk.entries] },
      random: lowest,
      now: 0,
    });
    // What is committed is not known at birth, so there is nothing in a log that the ghost has to have seen before.
    this.#ghost.started(id, this.raft);
  }

  get pendingWrites(): number {
    return this.#pending.length;
  }

  /** The hashes of the log's prefixes, by index. */
  get prefix(): readonly PrefixHash[] {
    return this.#ghost.prefixOf(this.id);
  }

  /** The terms of the log's entries, by index. */
  get terms(): readonly Term[] {
    const { log } = this.raft;
    return Array.from({ length: log.lastIndex + 1 }, (_, index) => log.termAt(index));
  }

  take(action: Action): Outcome {
    const outcome: Outcome = { sent: [], granted: [], removed: [], readable: [] };
    switch (action.kind) {
      case "timeout":
        this.#now = Math.max(this.#now, this.raft.wakeAt);
        this.#input({ kind: "tick" }, outcome);
        break;
      case "sync":
        this.#sync(outcome);
        break;
      case "write":
        this.#input(
          { kind: "clientRequest", requestId: 0, payloads: [Uint8Array.of(action.number)] },
          outcome,
        );
        break;
      case "read":
        this.#input({ kind: "readRequest", requestId: action.number, lease: false }, outcome);
        break;
      case "message":
        this.#input({ kind: "message", from: action.from, message: action.message }, outcome);
        break;
    }
    return outcome;
  }

  #input(input: Input, outcome: Outcome): void {
    const { commitIndex } = this.raft.variables;
    const prefix = [...this.prefix];
    const effects = this.raft.step(this.#now, input);
    this.#ghost.stepped(this.id, this.raft, effects);
    let applied = commitIndex;
    for (const effect of effects) {
      if (effect.kind === "apply") applied = this.#checkApplied(effect.entries, applied);
      if (effect.kind === "write" && effect.truncateFrom !== null) {
        outcome.removed.push({ index: effect.truncateFrom, hash: prefix[effect.truncateFrom] ?? -1 });
      }
      this.#perform(effect, outcome);
    }
    if (applied !== this.raft.variables.commitIndex) {
      throw new Violation(`${this.id} does not apply what is committed`);
    }
  }

  #checkApplied(entries: readonly Entry[], applied: LogIndex): LogIndex {
    for (const entry of entries) {
      applied++;
      if (entry.index !== applied || this.raft.log.entryAt(applied) !== entry) {
        throw new Violation(`${this.id} applies ${entry.index}:${entry.term} where its log has ${applied}`);
      }
    }
    return applied;
  }

  #perform(effect: Effect, outcome: Outcome): void {
    switch (effect.kind) {
      case "write":
        this.#pending.push(effect);
        break;
      case "send": {
        const { to, message, after } = effect;
        if (message.kind === "requestVoteResponse" && message.voteGranted) outcome.granted.push(to);
        const hash = message.kind === "appendEntriesResponse" && message.success
          ? this.prefix[message.matchIndex]
          : undefined;
        if (after === null) this.#leave({ to, message, after: 0, hash }, outcome);
        else this.#held.push({ to, message, after, hash });
        break;
      }
      case "readable":
        outcome.readable.push({ number: effect.requestId, index: effect.index });
        break;
      case "objection":
        throw new Violation(`${this.id} objects to ${effect.from}, who told the truth: ${effect.reason}`);
      case "rolledBack":
        throw new Violation(`${this.id} takes its disk for an old one, which it is not`);
    }
  }

  /** The oldest write reaches the disk, and what waited for it leaves. */
  #sync(outcome: Outcome): void {
    const write = this.#pending.shift();
    if (write === undefined) return;
    checkHardState(this.id, this.disk, write);
    applyWrite(this.disk, write);
    const ready = this.#held.filter(({ after }) => after <= write.number);
    this.#held = this.#held.filter(({ after }) => after > write.number);
    for (const held of ready) this.#leave(held, outcome);
    this.#input({ kind: "stable", upTo: write.number }, outcome);
  }

  #leave({ to, message, hash }: Held, outcome: Outcome): void {
    checkPromise(this.id, this.disk, to, message, hash);
    outcome.sent.push({ to, message: timeless(message) });
  }

  /** Everything that what happens next can depend on, as text, with the servers named so. */
  key(name: Naming): string {
    const v = this.raft.variables;
    const named = (id: ServerId | null) => id === null ? "-" : name(id);
    const parts: (string | number)[] = [
      name(this.id),
      v.role,
      v.currentTerm,
      named(v.votedFor),
      named(v.leaderId),
      named(v.termLeaderId),
      v.commitIndex,
      v.durableIndex,
      this.prefix.length,
      this.prefix.at(-1) ?? 0,
      [...v.votesGranted].map(name).sort().join(""),
      v.preVoteRound,
      v.role === "candidate" ? Math.max(0, v.ownVoteWrite - v.stableWrite) : "",
    ];
    if (v.role === "leader") {
      const progress = [...v.progress].map(([id, p]) =>
        [
          name(id),
          p.matchIndex,
          p.nextIndex,
          p.mood,
          p.maySend(v.settings.inFlightMessagesMax, Infinity),
          p.round,
        ].join()
      );
      const reads = v.readRounds.map(({ round, reads }) => `${round}:${reads.map(shownRead).join(",")}`);
      parts.push(
        v.termStartIndex,
        v.round,
        progress.sort().join("|"),
        reads.join(),
        v.readsWaiting.map(shownRead).join(),
      );
    }
    parts.push(
      "disk",
      this.disk.hardState.currentTerm,
      named(this.disk.hardState.votedFor),
      this.disk.prefix.at(-1) ?? 0,
    );
    parts.push(this.disk.prefix.length);
    for (const write of v.pendingWrites) parts.push(`w${write.number - v.stableWrite},${write.lastIndex}`);
    for (const write of this.#pending) {
      const { hardState } = write;
      parts.push(hardState === null ? "=" : `${hardState.currentTerm}${named(hardState.votedFor)}`);
      parts.push(write.truncateFrom ?? "", write.append.map(shownEntry).join(","));
    }
    const held = this.#held.map(({ to, message, after, hash }) =>
      `${after - v.stableWrite}>${name(to)} ${keyOfMessage(timeless(message))} ${hash ?? ""}`
    );
    // The same message twice in one moment is no other state: the network duplicates anyway.
    parts.push([...new Set(held)].sort().join("|"));
    return parts.join(" ");
  }
}

/** A term never falls and a vote is given once, across all lives (I9). */
function checkHardState(id: ServerId, { hardState: was }: Disk, { hardState: is }: WriteEffect): void {
  if (is === null) return;
  const isVoteKept = was.votedFor === null || was.votedFor === is.votedFor;
  if (is.currentTerm > was.currentTerm || (is.currentTerm === was.currentTerm && isVoteKept)) return;
  throw new Violation(
    `${id} replaces term ${was.currentTerm}, vote ${was.votedFor} by term ${is.currentTerm}, vote ${is.votedFor}`,
  );
}

/** A message is the same whatever the clocks say. */
function timeless(message: Message): Message {
  return message.kind === "appendEntriesRequest" ? { ...message, health: { diskMs: 0, loopMs: 0 } } : message;
}

/** A message says nothing of who sends it to whom, nor does it name a server: so no naming is needed. */
export function keyOfMessage(message: Message): string {
  if (message.kind !== "appendEntriesRequest") return Object.values(message).join();
  const { term, prevLogIndex, prevLogTerm, entries, leaderCommit, round, epoch } = message;
  return `append ${term} ${prevLogIndex}:${prevLogTerm} ${
    entries.map(shownEntry).join(",")
  } ${leaderCommit} ${round} ${epoch}`;
}

function shownEntry({ index, term, kind, payload }: Entry): string {
  return `${index}:${term}${kind[0]}${payload.join("")}`;
}

function shownRead({ requestId, index }: { readonly requestId: number; readonly index: number }): string {
  return `${requestId}@${index}`;
}
