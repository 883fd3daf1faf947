/**
 * The bounds of the node's own queues.
 *
 * @module
 */

export interface NodeLimits {
  /** A command that has no answer after this long is told so: not done, or unknown. */
  readonly requestTimeoutMs: number;
  /** Commands that wait for anything: a leader, a quorum, an answer. More are refused with BUSY. */
  readonly pendingCommandsMax: number;
  /** Their bytes; may be passed by one command. */
  readonly pendingBytesMax: number;
  /** Commands and bytes that share one log entry; the bytes may be passed by one command. */
  readonly entryCommandsMax: number;
  readonly entryBytesMax: number;
  /** Commands and bytes in one message to the leader; the bytes may be passed by one command. */
  readonly forwardCommandsMax: number;
  readonly forwardBytesMax: number;
}

export const defaultLimits: NodeLimits = {
  requestTimeoutMs: 5000,
  pendingCommandsMax: 262_144,
  pendingBytesMax: 128 * 1024 * 1024,
  entryCommandsMax: 256,
  entryBytesMax: 64 * 1024,
  forwardCommandsMax: 2048,
  forwardBytesMax: 512 * 1024,
};
