/**
 * One core on a stage: a server with a log of our choice, to which a scenario says lines and from which it hears the effects.
 *
 * Notation, as in the bug catalogue: a log is written `1:1 2:1 3:2`, index and term. The server on the stage is A; the
 * others are B, C, D, E and exist only as far as the scenario speaks for them.
 *
 * @module
 */
import { SeededRandom } from "../../internal/base/random.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import type { Effect } from "../../internal/raft/effect.ts";
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  Message,
  RequestVoteRequest,
  RequestVoteResponse,
} from "../../internal/raft/message.ts";
import { Raft, type StateView } from "../../internal/raft/raft.ts";
import { defaultSettings, type Settings } from "../../internal/raft/state.ts";
import type { Entry, LogPosition, Recovered, ServerId } from "../../internal/raft/types.ts";

export interface Scene {
  readonly servers?: string;
  readonly term?: number;
  readonly votedFor?: ServerId | null;
  readonly log?: string;
  /** Where the log ended that was lost, and how often something was. */
  readonly floor?: LogPosition | null;
  readonly epoch?: number;
  readonly settings?: Partial<Settings>;
}

/** Entries from their notation; the payload says where an entry came from. */
export function entriesOf(log: string): Entry[] {
  return log.split(" ").filter((word) => word !== "").map((word) => {
    const [index, term] = word.split(":").map(Number);
    if (index === undefined || term === undefined) throw new Error(`Cannot read "${word}" as index:term`);
    return {
      index,
      term,
      kind: "command",
      payload: Uint8Array.of(index, term),
      configuration: null,
      record: null,
    };
  });
}

/** What the disk of a server holds that was just born among these voters, but for its hard state. */
export function birth(voters: readonly ServerId[]): Omit<Recovered, "hardState"> {
  return {
    snapshotIndex: 0,
    snapshotTerm: 0,
    configuration: configurationOfVoters(voters),
    configurationIndex: 0,
    floor: null,
    commitIndex: 0,
    entries: [],
    epoch: 0,
  };
}

export class Stage {
  readonly raft: Raft;
  now = 0;
  /** Everything A wanted done, since the last `heard`. */
  effects: Effect[] = [];
  #lastWrite = 0;

  constructor(
    {
      servers = "A B C",
      term = 0,
      votedFor = null,
      log = "",
      floor = null,
      epoch = floor === null ? 0 : 1,
      settings = {},
    }: Scene,
  ) {
    this.raft = new Raft({
      id: "A",
      // Most scenarios are about what comes after the question whether one would be elected.
      settings: { ...defaultSettings, preVote: false, ...settings },
      recovered: {
        hardState: { currentTerm: term, votedFor },
        ...birth(servers.split(" ")),
        entries: entriesOf(log),
        floor,
        epoch,
      },
      random: new SeededRandom("stage"),
      now: 0,
    });
  }

  get view(): StateView {
    return this.raft.view();
  }

  /** The log of A in its notation. */
  get log(): string {
    const words: string[] = [];
    for (let index = 1; index <= this.raft.log.lastIndex; index++) {
      words.push(`${index}:${this.raft.log.termAt(index)}`);
    }
    return words.join(" ");
  }

  /** Takes what A wanted done so far. */
  heard(): Effect[] {
    const effects = this.effects;
    this.effects = [];
    return effects;
  }

  /** The messages among what A wanted done since the last look, with what they wait for. */
  said(): { to: ServerId; message: Message; after: number | null }[] {
    return this.heard().filter((effect) => effect.kind === "send");
  }

  timeout(): this {
    this.now = Math.max(this.now, this.raft.wakeAt);
    return this.#take({ kind: "tick" });
  }

  /** Everything A asked to write so far is synced, or everything up to a number. */
  stable(upTo = this.#lastWrite): this {
    return this.#take({ kind: "stable", upTo });
  }

  get lastWrite(): number {
    return this.#lastWrite;
  }

  hears(from: ServerId, message: Message): this {
    return this.#take({ kind: "message", from, message });
  }

  room(takesEntries: boolean): this {
    return this.#take({ kind: "room", takesEntries });
  }

  /** Entries that A lost turn up; in the notation, behind which place. */
  finds(after: string, log: string): this {
    const [index = 0, term = 0] = after.split(":").map(Number);
    return this.#take({ kind: "entriesFound", after: { index, term }, entries: entriesOf(log) });
  }

  /** A snapshot that A asked for is whole and on its disk; in the notation, where it ends. */
  receivesSnapshot(place: string): this {
    const [index = 0, term = 0] = place.split(":").map(Number);
    const { configuration } = this.view;
    return this.#take({ kind: "snapshotReceived", index, term, configuration, configurationIndex: 0 });
  }

  write(requestId = 1): this {
    return this.#take({ kind: "clientRequest", requestId, payloads: [Uint8Array.of(1)] });
  }

  read(requestId: number, lease = false): this {
    return this.#take({ kind: "readRequest", requestId, lease });
  }

  /** A campaigns and gets the votes it needs. */
  elected(voters: readonly ServerId[]): this {
    this.timeout().stable();
    for (const voter of voters) this.hears(voter, vote(this.view.currentTerm, true));
    return this;
  }

  #take(input: Parameters<Raft["step"]>[1]): this {
    for (const effect of this.raft.step(this.now, input)) {
      if (effect.kind === "write") this.#lastWrite = effect.number;
      this.effects.push(effect);
    }
    return this;
  }
}

export function askVote(
  term: number,
  lastLogIndex: number,
  lastLogTerm: number,
): RequestVoteRequest {
  return { kind: "requestVoteRequest", term, lastLogIndex, lastLogTerm, transfer: false };
}

export function vote(term: number, voteGranted: boolean): RequestVoteResponse {
  return { kind: "requestVoteResponse", term, voteGranted };
}

/** An AppendEntries whose previous entry is written `index:term`. */
export function append(
  term: number,
  previous: string,
  log: string,
  leaderCommit = 0,
  round = 0,
): AppendEntriesRequest {
  const [prevLogIndex, prevLogTerm] = previous.split(":").map(Number);
  if (prevLogIndex === undefined || prevLogTerm === undefined) throw new Error(`Cannot read "${previous}"`);
  return {
    kind: "appendEntriesRequest",
    term,
    prevLogIndex,
    prevLogTerm,
    entries: entriesOf(log),
    leaderCommit,
    health: { diskMs: 0, loopMs: 0 },
    epoch: 0,
    round,
  };
}

/** A follower agrees up to `matchIndex`. */
export function agreed(
  term: number,
  matchIndex: number,
  round = 0,
  prevLogIndex = matchIndex,
): AppendEntriesResponse {
  return {
    kind: "appendEntriesResponse",
    term,
    requestTerm: term,
    success: true,
    prevLogIndex,
    round,
    matchIndex,
    hintIndex: 0,
    hintTerm: 0,
    epoch: 0,
  };
}

/** A follower refuses what began after `prevLogIndex`. */
export function refused(
  term: number,
  prevLogIndex: number,
  hint: string,
  { requestTerm = term, round = 0 } = {},
): AppendEntriesResponse {
  const [hintIndex, hintTerm] = hint.split(":").map(Number);
  if (hintIndex === undefined || hintTerm === undefined) throw new Error(`Cannot read "${hint}"`);
  return {
    kind: "appendEntriesResponse",
    term,
    requestTerm,
    success: false,
    prevLogIndex,
    round,
    matchIndex: 0,
    hintIndex,
    hintTerm,
    epoch: 0,
  };
}
