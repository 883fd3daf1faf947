/**
 * Messages as frames; what a leader says to several followers at a time is encoded once.
 *
 * Keeps true: a frame that is given out again has the bytes that encoding the message anew would make. Nobody writes to a frame.
 *
 * @module
 */
import { encodeMessageFrame, type WireMessage } from "../codec/message_codec.ts";
import type { AppendEntriesRequest } from "../raft/message.ts";

export class FrameMaker {
  #message: AppendEntriesRequest | null = null;
  #frame: Uint8Array = new Uint8Array(0);

  frameOf(message: WireMessage): Uint8Array {
    if (message.kind !== "appendEntriesRequest") return encodeMessageFrame(message);
    if (this.#message === null || !saysTheSame(this.#message, message)) {
      this.#frame = encodeMessageFrame(message);
      this.#message = message;
    }
    return this.#frame;
  }
}

function saysTheSame(a: AppendEntriesRequest, b: AppendEntriesRequest): boolean {
  return a.term === b.term && a.prevLogIndex === b.prevLogIndex && a.prevLogTerm === b.prevLogTerm &&
    a.leaderCommit === b.leaderCommit && a.round === b.round && a.health.diskMs === b.health.diskMs &&
    a.health.loopMs === b.health.loopMs && a.epoch === b.epoch && a.entries.length === b.entries.length &&
    a.entries.every((entry, i) => entry === b.entries[i]);
}
