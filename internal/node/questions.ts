/**
 * Questions to other servers that have one answer: an operator's command for the leader, the index for a read.
 *
 * Keeps true: every question is answered once: by the other side, or because it took too long, could not be sent, or the connection
 * broke. An answer counts for the life that asked, and from the server that was asked.
 *
 * @module
 */
import type { PeerMessage, ShellMessage } from "../codec/peer_message.ts";
import type { Clock, Millis } from "../platform/clock.ts";
import type { ServerId } from "../raft/types.ts";

/** Why there is no answer. `unsent`: certainly nobody heard the question. */
export type NoAnswer = "unsent" | "late" | "lost";

interface Question {
  readonly to: ServerId;
  readonly deadline: Millis;
  readonly done: (answer: ShellMessage | NoAnswer) => void;
}

export class Questions {
  readonly #life: number;
  readonly #clock: Clock;
  readonly #send: (to: ServerId, message: PeerMessage) => boolean;
  readonly #asked = new Map<number, Question>();
  #requestId = 0;

  constructor(life: number, clock: Clock, send: (to: ServerId, message: PeerMessage) => boolean) {
    this.#life = life;
    this.#clock = clock;
    this.#send = send;
  }

  get isBusy(): boolean {
    return this.#asked.size > 0;
  }

  ask(
    to: ServerId,
    withinMs: Millis,
    message: (life: number, requestId: number) => ShellMessage,
    done: (answer: ShellMessage | NoAnswer) => void,
  ): void {
    const requestId = ++this.#requestId;
    if (!this.#send(to, message(this.#life, requestId))) return done("unsent");
    this.#asked.set(requestId, { to, deadline: this.#clock.now() + withinMs, done });
  }

  answered(
    from: ServerId,
    message: ShellMessage & { readonly life: number; readonly requestId: number },
  ): void {
    if (message.life !== this.#life) return;
    const question = this.#asked.get(message.requestId);
    if (question === undefined || question.to !== from) return;
    this.#asked.delete(message.requestId);
    question.done(message);
  }

  /** The connection to that server broke. */
  lost(to: ServerId): void {
    for (const [requestId, question] of this.#asked) {
      if (question.to !== to) continue;
      this.#asked.delete(requestId);
      question.done("lost");
    }
  }

  sweep(): void {
    const now = this.#clock.now();
    for (const [requestId, question] of this.#asked) {
      if (question.deadline > now) continue;
      this.#asked.delete(requestId);
      question.done("late");
    }
  }

  /** Nobody is answered any more. */
  stop(): void {
    for (const { done } of this.#asked.values()) done("lost");
    this.#asked.clear();
  }
}
