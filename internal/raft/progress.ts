/**
 * What the leader believes about one follower, and how fast it may send to it.
 *
 * Keeps true:
 *  1. `nextIndex > matchIndex`; `matchIndex` never falls within a term (L7), save when the follower says that it lost a part of
 *     its log, or shows it: then all it had acknowledged is in doubt (L10).
 *  2. The counters of what is in flight equal the sum over the messages that are (L20): both live in one list, and
 *     whoever empties one empties the other.
 *
 * Three moods. *Probe*: we do not know where the logs agree; one message is under way at a time and `nextIndex` waits for its
 * answer. *Replicate*: they agree up to `nextIndex - 1` as soon as what is in flight arrives; messages follow one
 * another without waiting, within a window of messages and bytes (dissertation 10.2.1). *Snapshot*: what it needs next is gone from
 * our log; nothing is sent until it says that it got it from a snapshot.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import type { LogIndex, Millis, Round } from "./types.ts";

interface InFlight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

export class Progress {
  #matchIndex: LogIndex = 0;
  /** Our round when we heard that they agree up to there: what we send in a later one was sent later. */
  #matchedRound: Round = 0;
  #nextIndex: LogIndex;
  #mood: "probe" | "replicate" | "snapshot" = "probe";
  /** In probe: a message is under way and its answer decides what comes next. */
  #probeSent = false;
  readonly #inFlight: InFlight[] = [];
  #inFlightBytes = 0;
  /** The newest round of ours that this follower answered. */
  round: Round = 0;
  #lastHeardAt: Millis;
  #wasHeard = false;
  #epoch = 0;
  /** Whether it has still to note the loss of that number. */
  #isInDoubt = false;
  /** Catching up in rounds (4.2.1): where our log ended when the round began, and when that was. */
  #roundEnd: LogIndex = 0;
  #roundStartedAt: Millis;
  #keepsUp = false;

  constructor(nextIndex: LogIndex, now: Millis) {
    assert(nextIndex >= 1, "nextIndex begins at 1");
    this.#nextIndex = nextIndex;
    this.#lastHeardAt = now;
    this.#roundStartedAt = now;
    this.#roundEnd = nextIndex - 1;
  }

  /** When it last answered anything in our term; until it did, when we began to speak to it. */
  get lastHeardAt(): Millis {
    return this.#lastHeardAt;
  }

  /** Whether it answered anything in our term. */
  get wasHeard(): boolean {
    return this.#wasHeard;
  }

  /** Whether it got what our log held at some moment within one election timeout from then (4.2.1). */
  get keepsUp(): boolean {
    return this.#keepsUp;
  }

  /** It answered now, when our log ended there. */
  heardAt(now: Millis, lastIndex: LogIndex, roundMs: Millis): void {
    this.#lastHeardAt = now;
    this.#wasHeard = true;
    if (this.#matchIndex < this.#roundEnd) return;
    this.#keepsUp = now - this.#roundStartedAt < roundMs;
    this.#roundEnd = lastIndex;
    this.#roundStartedAt = now;
  }

  /**
   * Whether an answer is of the log that the follower has now. One of a newer epoch tells that it lost a part of its log: we begin
   * with it as if we knew nothing.
   */
  isOfEpoch(epoch: number): boolean {
    if (epoch < this.#epoch) return false;
    if (epoch > this.#epoch && (this.#wasHeard || this.#matchIndex > 0)) this.#knowsNothing();
    this.#epoch = epoch;
    this.#isInDoubt = false;
    return true;
  }

  /** Whatever it acknowledged counts no more. */
  #knowsNothing(): void {
    this.#matchIndex = 0;
    this.#probe();
    this.#keepsUp = false;
  }

  /** Whether it lost something and was not heard to know it. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  /** How often it lost a part of its log, as far as it told us in our term. */
  get epoch(): number {
    return this.#epoch;
  }

  /** What comes next for it is gone from our log. */
  lacks(): void {
    if (this.#mood === "snapshot") return;
    this.#probe();
    this.#mood = "snapshot";
  }

  #probe(): void {
    this.#mood = "probe";
    this.#probeSent = false;
    this.#inFlight.length = 0;
    this.#inFlightBytes = 0;
  }

  /** The logs agree up to here and it is on the follower's disk. */
  get matchIndex(): LogIndex {
    return this.#matchIndex;
  }

  /** The first entry that was not sent yet (replicate), or that comes with the next probe. */
  get nextIndex(): LogIndex {
    return this.#nextIndex;
  }

  get mood(): "probe" | "replicate" | "snapshot" {
    return this.#mood;
  }

  get inFlightMessages(): number {
    return this.#inFlight.length;
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Whether a message with entries may go out now. */
  maySend(messagesMax: number, bytesMax: number): boolean {
    if (this.#mood === "probe") return !this.#probeSent;
    if (this.#mood === "snapshot") return false;
    return this.#inFlight.length < messagesMax && this.#inFlightBytes < bytesMax;
  }

  /** Entries up to `lastIndex` were sent. */
  sent(lastIndex: LogIndex, bytes: number): void {
    assert(lastIndex >= this.#nextIndex, "What was sent begins at nextIndex");
    if (this.#mood === "probe") {
      this.#probeSent = true;
      return;
    }
    this.#inFlight.push({ lastIndex, bytes });
    this.#inFlightBytes += bytes;
    this.#nextIndex = lastIndex + 1;
  }

  /**
   * Whether a refusal says that the follower has less than it acknowledged. Its answers come late and in any order, so only a refusal of
   * something that was sent after we knew of the acknowledgement says so.
   */
  isRolledBack(prevLogIndex: LogIndex, round: Round): boolean {
    return prevLogIndex <= this.#matchIndex && this.#matchIndex > 0 && round > this.#matchedRound;
  }

  /** It lost what it had acknowledged and does not know it: its answers count again when it has noted a loss. */
  rolledBack(): void {
    this.#knowsNothing();
    // One loss ahead: the next one may be one that it finds by itself, and then knows no more of this one.
    this.#epoch += 2;
    this.#isInDoubt = true;
  }

  /** The follower's log agrees with ours up to `matchIndex`, as we hear in this round. Tells whether that is news. */
  matched(matchIndex: LogIndex, round: Round): boolean {
    if (this.#mood !== "replicate") {
      this.#mood = "replicate";
      this.#probeSent = false;
      this.#nextIndex = Math.max(matchIndex, this.#matchIndex) + 1;
    }
    let freed = 0;
    for (const message of this.#inFlight) {
      if (message.lastIndex > matchIndex) break;
      this.#inFlightBytes -= message.bytes;
      freed++;
    }
    if (freed > 0) this.#inFlight.splice(0, freed);
    if (this.#nextIndex <= matchIndex) this.#nextIndex = matchIndex + 1;
    if (matchIndex <= this.#matchIndex) return false;
    this.#matchIndex = matchIndex;
    this.#matchedRound = round;
    return true;
  }

  /**
   * The follower refused a message that began after `prevLogIndex`. Tells whether that says anything: an answer to what is no
   * longer the question is ignored (L8).
   */
  refused(prevLogIndex: LogIndex, agreeAtMost: LogIndex): boolean {
    if (prevLogIndex <= this.#matchIndex || this.#mood === "snapshot") return false;
    if (this.#mood === "probe" ? prevLogIndex !== this.#nextIndex - 1 : prevLogIndex >= this.#nextIndex) {
      return false;
    }
    this.#probe();
    this.#nextIndex = Math.max(Math.min(prevLogIndex, agreeAtMost + 1), this.#matchIndex + 1);
    return true;
  }

  /** @throws {AssertionError} if one of the rules at the top is broken */
  check(lastIndex: LogIndex): void {
    assert(this.#nextIndex > this.#matchIndex, "nextIndex is beyond matchIndex");
    assert(this.#nextIndex <= lastIndex + 1, "nextIndex is at most one beyond the log");
    assert(this.#inFlightBytes >= 0, "Bytes in flight are never negative");
    assert(this.#inFlight.length > 0 || this.#inFlightBytes === 0, "Nothing in flight weighs nothing");
    assert(this.#mood === "replicate" || this.#inFlight.length === 0, "Only replication has a window");
    if (this.#inFlight.length > 0) {
      const last = must(this.#inFlight.at(-1), "The list is not empty");
      assert(last.lastIndex === this.#nextIndex - 1, "What is in flight ends before nextIndex");
    }
  }
}
