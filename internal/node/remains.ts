/**
 * Making a lost log whole again while nobody leads (docs/repair.md): what could be read behind the damage goes back to where it was, and
 * what is missing before it comes from any server whose log has both ends of the hole, or all of the hole and the same term at its end. Where
 * every log that could tell begins behind our last entry, what is committed beyond it comes as a snapshot.
 *
 * Without this, servers that lost different parts wait for a leader that none of them may become. Where somebody leads, there is no hurry:
 * the leader sends what is missing.
 *
 * Keeps true: whatever is handed to the core follows the end of our log in a log that was a leader's once. Of what was read here, that is so
 * where it has our last entry, or followed it as we wrote down, or begins right behind it in the same term: the leader of that term had both. Of what another server sends,
 * where its log has our last entry and the one behind the hole, or the last one of the hole and that of the same term, for then it has
 * all that ours had between them (log matching); and where ours still ends as it did when it was asked. One question is under way at a time,
 * and nobody is asked when nothing is missing. A snapshot is asked for only after everybody who is there was asked for entries. Who is asked
 * need not be a member as far as we know: who came in may stand in what we lost, so whoever that names, or who calls, is asked too.
 *
 * @module
 */
import type { BulkMessage, EntriesQuestion } from "../codec/bulk_message.ts";
import type { Alarm, Clock, Millis } from "../platform/clock.ts";
import type { Trace } from "../platform/trace.ts";
import type { Input } from "../raft/input.ts";
import type { Raft } from "../raft/raft.ts";
import { isOlder } from "../raft/repair.ts";
import {
  BEYOND_THE_TERM,
  type Entry,
  type LogIndex,
  type LogPosition,
  type Member,
  type Remnant,
  type ServerId,
} from "../raft/types.ts";
import type { BulkLine, PeerRoom } from "./ports.ts";

/** So many bytes of entries go into a message and into a write; may be passed by one entry. */
const PIECE_BYTES = 256 * 1024;

export interface RemainsOptions {
  readonly id: ServerId;
  /** What is left of the log that was lost; emptied when nobody needs it any more. */
  readonly remnants: Remnant[];
  readonly raft: Raft;
  readonly peers: Pick<PeerRoom, "openBulk" | "isConnected">;
  readonly clock: Clock;
  readonly trace: Trace;
  /** How long an answer may take, and how long it is waited before somebody is asked again. */
  readonly patienceMs: Millis;
  readonly deliver: (input: Input) => void;
  /** Gets a snapshot that reaches at least so far, from any of these; nothing where one is on its way. */
  readonly needSnapshot: (index: LogIndex, others: readonly ServerId[]) => void;
  /** Whoever only stands in what is left of the lost log is of no use any more. */
  readonly forgets: () => void;
}

/** A question that is under way. */
interface Question {
  readonly from: ServerId;
  /** Where our log ended when it was asked last. */
  after: LogPosition;
  readonly to: LogPosition;
  line: BulkLine | null;
}

export class Remains {
  readonly #options: RemainsOptions;
  #alarm: Alarm | null = null;
  #question: Question | null = null;
  /** Counts the questions, so that each goes to another server, or is for another hole, than the one before. */
  #asked = 0;
  #isStopped = false;
  /** Who stands as a member in what is left of the lost log, each as it did last. */
  #named: readonly Member[];
  /** Who told who it is, whether it is a member or not. */
  readonly #callers = new Set<ServerId>();

  constructor(options: RemainsOptions) {
    this.#options = options;
    const members = options.remnants.flatMap(({ entries }) => entries)
      .flatMap(({ configuration }) => configuration?.members ?? []);
    this.#named = [...new Map(members.map((member) => [member.id, member])).values()];
  }

  /** Puts back what is here; then asks for what is missing, again and again, until nothing is. */
  start(): void {
    if (!this.#isWanted) return;
    this.#putBack();
    this.#later();
  }

  stop(): void {
    this.#isStopped = true;
    this.#end();
    this.#alarm?.cancel();
  }

  /** Who may be a member although our log has not come to that yet. */
  get named(): readonly Member[] {
    return this.#named;
  }

  /** Another server told who it is. */
  introduced(id: ServerId): void {
    if (this.#isWanted) this.#callers.add(id);
  }

  /** Another server asks for what it lost. */
  onQuestion({ after, to }: EntriesQuestion, answer: (message: BulkMessage) => void): void {
    const { log } = this.#options.raft;
    const end = this.#has(to) ? to.index : this.#has(beforeIn(to)) ? to.index - 1 : 0;
    if (!this.#has(after) || end <= after.index) {
      const reason = `the log here, from ${log.snapshotIndex} to ${log.lastIndex}, has not both`;
      return answer({ kind: "entriesRefusal", reason });
    }
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = after.index + 1; index <= end; index++) {
      const entry = log.entryAt(index);
      bytes += entry.payload.length;
      if (bytes > PIECE_BYTES && entries.length > 0) break;
      entries.push(entry);
    }
    answer({ kind: "entriesPiece", entries });
  }

  get #isWanted(): boolean {
    const { raft, remnants } = this.#options;
    const { floor } = raft.view();
    return !this.#isStopped && floor !== null && (remnants.length > 0 || floor.index < BEYOND_THE_TERM);
  }

  /** Whether somebody leads, and was heard of lately (election.ts). */
  get #isLed(): boolean {
    return this.#options.raft.view().leaderId !== null;
  }

  get #last(): LogPosition {
    const { lastIndex: index, lastTerm: term } = this.#options.raft.view();
    return { index, term };
  }

  #has({ index, term }: LogPosition): boolean {
    const { log } = this.#options.raft;
    return index >= log.snapshotIndex && index <= log.lastIndex && log.termAt(index) === term;
  }

  #later(): void {
    const { clock, patienceMs } = this.#options;
    this.#alarm?.cancel();
    this.#alarm = clock.wakeAt(clock.now() + patienceMs, () => this.#again());
  }

  #again(): void {
    this.#end();
    if (!this.#isWanted) return this.#letGo();
    this.#later();
    if (this.#isLed) return;
    // A leader that is gone may have filled the hole, or the disk may take entries by now.
    this.#putBack();
    if (this.#isWanted) this.#ask();
  }

  /** A floor never comes back in the same life, and what is here may be much. */
  #letGo(): void {
    this.#options.remnants.length = 0;
    this.#named = [];
    this.#callers.clear();
    this.#options.forgets();
  }

  /* ---- what is here ---- */

  /** Hands on what follows our last entry in what is left of the log. */
  #putBack(): void {
    const { trace, remnants } = this.#options;
    const before = this.#last.index;
    for (let from = -1; from < this.#last.index;) {
      from = this.#last.index;
      for (const remnant of remnants) this.#putBackOf(remnant);
    }
    const { index } = this.#last;
    if (index > before) {
      trace.event("info", "entries behind the damage are put back", { from: before + 1, to: index });
    }
  }

  #putBackOf({ after, entries }: Remnant): void {
    const last = this.#last;
    const first = entries[0];
    if (first === undefined) return;
    const place = last.index - first.index;
    // The leader of a term only appends: who has an entry of it has all that was before it in that leader's log.
    const isNext = place === -1 &&
      (last.index === 0 || first.term === last.term || after?.term === last.term);
    const follows = isNext || entries[place]?.term === last.term;
    if (follows) this.#hand(entries.slice(place + 1));
  }

  /** Gives entries to the core that follow our last one, a piece at a time, as long as it takes them. */
  #hand(entries: readonly Entry[]): void {
    for (let i = 0; i < entries.length;) {
      const piece: Entry[] = [];
      for (let bytes = 0; i < entries.length && (bytes < PIECE_BYTES || piece.length === 0); i++) {
        const entry = entries[i];
        if (entry === undefined) break;
        piece.push(entry);
        bytes += entry.payload.length;
      }
      this.#options.deliver({ kind: "entriesFound", after: this.#last, entries: piece });
      if (this.#last.index !== piece.at(-1)?.index) return;
    }
  }

  /* ---- what others have ---- */

  /** Where the log ended that was lost, if that is known, and ours has not come so far. */
  get #lostEnd(): LogPosition | null {
    const { floor } = this.#options.raft.view();
    return floor !== null && floor.index < BEYOND_THE_TERM && isOlder(this.#last, floor) ? floor : null;
  }

  /**
   * Where each hole ends, the next one first: its last entry, if that is known, or the one right behind it; where nothing is left behind any,
   * where the lost log ended.
   */
  get #holes(): readonly LogPosition[] {
    const { index, term } = this.#last;
    const follows = (place: LogPosition | null) =>
      place !== null && place.index > index && place.term >= term;
    const ends = this.#options.remnants.flatMap(({ after, entries: [first] }) =>
      first === undefined || !follows(first) ? [] : [follows(after) ? after ?? first : first]
    ).map(({ index, term }) => ({ index, term }));
    if (ends.length === 0 && this.#lostEnd !== null) ends.push(this.#lostEnd);
    return ends.filter(follows).sort((a, b) => a.index - b.index);
  }

  get #others(): readonly ServerId[] {
    const { id, raft, peers } = this.#options;
    const { members } = raft.view().configuration;
    const known = new Set([...[...members, ...this.#named].map((member) => member.id), ...this.#callers]);
    return [...known].filter((other) => other !== id && peers.isConnected(other));
  }

  /** Asks everybody in turn for a hole, then for a snapshot, then for the next hole. */
  #ask(): void {
    const { peers } = this.#options;
    const others = this.#others;
    if (others.length === 0) return;
    const holes = this.#holes;
    const turn = this.#asked++;
    const from = others[turn % (others.length + 1)];
    const to = holes[Math.floor(turn / (others.length + 1)) % Math.max(1, holes.length)];
    if (from === undefined && (to !== undefined || this.#lostEnd !== null)) {
      return this.#options.needSnapshot(this.#last.index + 1, others);
    }
    if (from === undefined || to === undefined) return;
    const question: Question = { from, after: this.#last, to, line: null };
    this.#question = question;
    const mine = (run: () => void) => {
      if (this.#question === question) run();
    };
    const line = peers.openBulk(from, {
      onOpen: () => mine(() => this.#send(question)),
      onMessage: (message) => mine(() => this.#heard(question, message)),
      onClosed: () => mine(() => this.#question = null),
    });
    if (this.#question !== question) return line?.close();
    if (line === null) this.#question = null;
    else question.line = line;
  }

  #send(question: Question): void {
    question.after = this.#last;
    question.line?.send({ kind: "entriesQuestion", after: question.after, to: question.to });
  }

  #heard(question: Question, message: BulkMessage): void {
    const { trace } = this.#options;
    const { to, from, after } = question;
    if (message.kind !== "entriesPiece" || !this.#isWanted || this.#isLed) {
      const reason = message.kind === "entriesRefusal" ? message.reason : message.kind;
      trace.event("debug", "a server does not fill the hole in the log", { server: from, reason });
      this.#end();
      // Whoever refuses costs no time, until everybody was asked.
      const isRefused = message.kind === "entriesRefusal" && this.#isWanted && !this.#isLed;
      if (isRefused && this.#asked % (this.#others.length + 1) !== 0) this.#ask();
      return;
    }
    const { index, term } = this.#last;
    // A leader may have come and gone meanwhile, and left another last entry.
    if (index !== after.index || term !== after.term) return this.#end();
    const last = message.entries.at(-1);
    if (message.entries[0]?.index !== index + 1 || last === undefined) return this.#end();
    if (last.index > to.index || (last.index === to.index && last.term !== to.term)) return this.#end();
    this.#hand(message.entries);
    if (this.#last.index !== last.index) return this.#end();
    this.#later();
    const isFilled = last.index === to.index || this.#has(beforeIn(to));
    if (!isFilled) return this.#send(question);
    trace.event("info", "a hole in the log is filled by another server", { server: from, upTo: to.index });
    this.#end();
    this.#putBack();
    // There may be another hole.
    if (this.#isWanted) this.#ask();
  }

  #end(): void {
    this.#question?.line?.close();
    this.#question = null;
  }
}

/** The place right before an entry, if the leader of its term made that one too. */
function beforeIn({ index, term }: LogPosition): LogPosition {
  return { index: index - 1, term };
}
