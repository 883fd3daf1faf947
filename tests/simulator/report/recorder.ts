/**
 * An onlooker that remembers a run as a picture needs it.
 *
 * Keeps true: what it hands out is a copy; nothing of the world is held on to or changed, and nothing is asked of it that it would
 * answer differently next time. So a run that is watched has the same trace hash as one that is not.
 *
 * A message that arrives is the oldest of its sender, its receiver and its words that did not arrive yet; one more of them is a copy.
 *
 * @module
 */
import { describeError } from "../../../internal/base/errors.ts";
import type { PeerMessage } from "../../../internal/codec/peer_message.ts";
import type { Reply } from "../../../internal/codec/reply.ts";
import type { Effect } from "../../../internal/raft/effect.ts";
import type { StateView } from "../../../internal/raft/raft.ts";
import type { Entry, WriteNumber } from "../../../internal/raft/types.ts";
import { firedIn } from "../coverage.ts";
import type { LogLook, Observer } from "../observer.ts";
import type { Odds } from "../odds.ts";
import type { SeedResult } from "../run_seed.ts";
import { type StrikeName, strikes, type Struck } from "../strikes.ts";
import { entryText, messageText, noteText, replyText, shownWords, writeText } from "./describe.ts";
import type {
  DiskWrite,
  LifeSpan,
  LogChange,
  RecordedEntry,
  RecordedMessage,
  RecordedNote,
  RecordedOperation,
  RecordedStrike,
  Recording,
  ServerState,
} from "./recording.ts";

const CAUSES_MAX = 20;

/** What is known of one server. */
class Watched {
  readonly states: ServerState[] = [];
  readonly lives: { from: number; to: number | null; why: string }[] = [];
  readonly changes: LogChange[] = [];
  readonly writes: DiskWrite[] = [];
  /** Its log as it is now, by places of entries; the first stands at `base + 1`. */
  log: number[] = [];
  base = 0;
  /** Writes of this life that are not stable. */
  unstable: DiskWrite[] = [];
}

/** Messages of the same words from one server to another. */
interface Alike {
  readonly waiting: RecordedMessage[];
  latest: RecordedMessage | null;
}

export class Recorder implements Observer {
  readonly #servers = new Map<string, Watched>();
  readonly #entries: RecordedEntry[] = [];
  readonly #placeOfEntry = new Map<string, number>();
  readonly #known = new WeakMap<Entry, number>();
  readonly #messages: RecordedMessage[] = [];
  readonly #alike = new Map<string, Alike>();
  readonly #strikes: RecordedStrike[] = [];
  readonly #operations: RecordedOperation[] = [];
  readonly #asked = new Map<number, RecordedOperation[]>();
  readonly #notes: RecordedNote[] = [];
  #healedAt: number | null = null;
  #core: readonly string[] = [];

  onStarted(at: number, id: string, view: StateView, log: LogLook): void {
    const watched = this.#of(id);
    watched.lives.push({ from: at, to: null, why: "" });
    watched.unstable = [];
    this.#state(at, watched, view);
    const recovered: number[] = [];
    for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) {
      recovered.push(this.#placeOf(log.entryAt(index)));
    }
    this.#recovered(at, watched, log.snapshotIndex, recovered);
  }

  onEnded(at: number, id: string, why: string): void {
    const life = this.#of(id).lives.at(-1);
    if (life === undefined || life.to !== null) {
      this.#notes.push({ at, server: id, text: `does not come up: ${why}` });
      return;
    }
    life.to = at;
    life.why = why;
  }

  onStep(at: number, id: string, view: StateView, effects: readonly Effect[]): void {
    const watched = this.#of(id);
    this.#state(at, watched, view);
    for (const effect of effects) {
      if (effect.kind === "write") {
        const write: DiskWrite = { at, stableAt: null, number: effect.number, text: writeText(effect) };
        watched.writes.push(write);
        watched.unstable.push(write);
        const from = effect.reset === null
          ? effect.truncateFrom ?? effect.append[0]?.index
          : effect.reset.index + 1;
        if (from !== undefined) {
          this.#change(
            at,
            watched,
            from,
            effect.append.map((entry) => this.#placeOf(entry)),
            effect.reset !== null,
          );
        }
      }
      const text = noteText(effect);
      if (text !== null) this.#notes.push({ at, server: id, text });
    }
  }

  onStable(at: number, id: string, upTo: WriteNumber): void {
    const watched = this.#of(id);
    for (const write of watched.unstable) if (write.number <= upTo) write.stableAt = at;
    watched.unstable = watched.unstable.filter(({ number }) => number > upTo);
  }

  onSent(at: number, from: string, to: string, message: PeerMessage): void {
    const [kind, text] = messageText(message);
    const sent: RecordedMessage = {
      at,
      receivedAt: null,
      from,
      to,
      class: kind,
      text,
      isCopy: false,
    };
    this.#messages.push(sent);
    const key = `${from}>${to} ${text}`;
    const alike = this.#alike.get(key);
    if (alike === undefined) this.#alike.set(key, { waiting: [sent], latest: null });
    else alike.waiting.push(sent);
  }

  onReceived(at: number, from: string, to: string, message: PeerMessage): void {
    const [kind, text] = messageText(message);
    const alike = this.#alike.get(`${from}>${to} ${text}`);
    const first = alike?.waiting.shift();
    if (alike !== undefined && first !== undefined) {
      first.receivedAt = at;
      alike.latest = first;
      return;
    }
    const original = alike?.latest ?? null;
    this.#messages.push({
      at: original?.at ?? at,
      receivedAt: at,
      from,
      to,
      class: kind,
      text,
      isCopy: true,
    });
  }

  onStrike(at: number, name: StrikeName, { whom, forMs }: Struck): void {
    const { what, rows } = strikes[name];
    this.#strikes.push({ at, name, what, rows, whom, forMs });
  }

  onHealed(at: number, core: readonly string[]): void {
    this.#healedAt = at;
    this.#core = core;
  }

  onAsked(at: number, client: number, server: string, words: readonly string[]): void {
    const operation: RecordedOperation = {
      client,
      server,
      text: shownWords(words),
      at,
      answeredAt: null,
      outcome: "pending",
      reply: "",
    };
    this.#operations.push(operation);
    const asked = this.#asked.get(client);
    if (asked === undefined) this.#asked.set(client, [operation]);
    else asked.push(operation);
  }

  onAnswered(
    at: number,
    client: number,
    server: string,
    words: readonly string[],
    reply: Reply | null,
  ): void {
    const text = shownWords(words);
    const asked = this.#asked.get(client) ?? [];
    const place = asked.findIndex((one) => one.server === server && one.text === text);
    const [operation] = place < 0 ? [] : asked.splice(place, 1);
    if (operation === undefined) return;
    operation.answeredAt = at;
    operation.reply = reply === null ? "connection gone" : replyText(reply);
    const isUnknown = reply === null || reply.type === "error" && reply.text.startsWith("UNKNOWN ");
    operation.outcome = isUnknown ? "unknown" : reply.type === "error" ? "refused" : "ok";
  }

  /** The picture, once the run is over. */
  recording({ seed, verdict, error, world }: SeedResult, command: string): Recording {
    return {
      seed,
      command,
      verdict,
      reason: reasonOf(error),
      endedAt: world.time.now,
      healedAt: this.#healedAt,
      core: this.#core,
      traceHash: world.traceHash,
      odds: oddsOf(world.odds),
      faults: [...firedIn(world)],
      servers: world.servers.map(({ id }) => {
        const { states, lives, changes, writes } = this.#of(id);
        return { id, states, lives: lives satisfies LifeSpan[], log: changes, writes };
      }),
      clients: [...new Set(this.#operations.map(({ client }) => client))].sort((a, b) => a - b),
      entries: this.#entries,
      messages: this.#messages.toSorted((a, b) => a.at - b.at),
      strikes: this.#strikes,
      operations: this.#operations,
      notes: this.#notes,
    };
  }

  #state(at: number, { states }: Watched, view: StateView): void {
    const { role, votedFor, leaderId, snapshotIndex, lastIndex, lastTerm, commitIndex, durableIndex } = view;
    const state: ServerState = {
      at,
      role,
      term: view.currentTerm,
      votedFor,
      leaderId,
      snapshotIndex,
      lastIndex,
      lastTerm,
      commitIndex,
      durableIndex,
    };
    const was = states.at(-1);
    if (was === undefined || !isSame(was, state)) states.push(state);
  }

  /** A log as a life begins with it: only what differs from what was known is written down. */
  #recovered(at: number, watched: Watched, base: number, recovered: readonly number[]): void {
    if (base !== watched.base) {
      this.#change(at, watched, base + 1, recovered, true);
      return;
    }
    let same = 0;
    while (same < recovered.length && recovered[same] === watched.log[same]) same++;
    if (same === recovered.length && same === watched.log.length) return;
    this.#change(at, watched, base + same + 1, recovered.slice(same), false);
  }

  #change(at: number, watched: Watched, from: number, entries: readonly number[], reset: boolean): void {
    if (reset) {
      watched.base = from - 1;
      watched.log = [...entries];
    } else {
      watched.log.length = Math.max(0, from - 1 - watched.base);
      watched.log.push(...entries);
    }
    watched.changes.push({ at, from, entries, reset });
  }

  /** Entries that are the same in every respect have one place. */
  #placeOf(entry: Entry): number {
    let place = this.#known.get(entry);
    if (place !== undefined) return place;
    const { index, term } = entry;
    const text = entryText(entry);
    const key = `${index} ${term} ${text}`;
    place = this.#placeOfEntry.get(key);
    if (place === undefined) {
      place = this.#entries.push({ index, term, text }) - 1;
      this.#placeOfEntry.set(key, place);
    }
    this.#known.set(entry, place);
    return place;
  }

  #of(id: string): Watched {
    let watched = this.#servers.get(id);
    if (watched === undefined) this.#servers.set(id, watched = new Watched());
    return watched;
  }
}

function isSame(one: ServerState, other: ServerState): boolean {
  return one.role === other.role && one.term === other.term && one.votedFor === other.votedFor &&
    one.leaderId === other.leaderId && one.snapshotIndex === other.snapshotIndex &&
    one.lastIndex === other.lastIndex && one.lastTerm === other.lastTerm &&
    one.commitIndex === other.commitIndex && one.durableIndex === other.durableIndex;
}

/** The messages of what was thrown, the last cause first, each line by line; who only repeats a cause is left out. */
function reasonOf(error: unknown): readonly string[] {
  const texts: string[] = [];
  for (let at: unknown = error; at !== null && at !== undefined && texts.length < CAUSES_MAX;) {
    const text = at instanceof Error ? at.message : describeError(at);
    at = at instanceof Error ? at.cause : null;
    const repeats = at instanceof Error && flat(text).endsWith(flat(at.message));
    if (!repeats) texts.unshift(text);
  }
  return texts.flatMap((text) => text.split("\n"));
}

function flat(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

/** The odds of a seed in words, one a line; what is not there is not said. */
export function oddsOf(odds: Odds): readonly (readonly [name: string, value: string])[] {
  return Object.entries(odds).flatMap(([name, value]): (readonly [string, string])[] => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      return Object.entries(value).map((
        [inner, one],
      ): readonly [string, string] => [`${name}.${inner}`, shownOdd(one)]);
    }
    return [[name, shownOdd(value)]];
  });
}

function shownOdd(value: unknown): string {
  if (Array.isArray(value)) {
    return value.length === 0 ? "none" : value.join(value.every(isNumber) ? " to " : ", ");
  }
  return String(value);
}

function isNumber(value: unknown): boolean {
  return typeof value === "number";
}
