/**
 * The bounds of the clients' room.
 *
 * @module
 */
import { defaultRequestLimits, type RequestLimits } from "../codec/resp_request.ts";

export interface ClientLimits extends RequestLimits {
  readonly clientsMax: number;
  /** Commands of one client without an answer; more are not read until some are answered. */
  readonly commandsWaitingMax: number;
  /** Replies of one client that it has not taken: above the first nothing more is read, above the second it is cut off. */
  readonly outputPauseBytes: number;
  readonly outputBytesMax: number;
  /**
   * Commands of all clients of which a part has come: above the first, who began first is cut off; above half of it, whoever began
   * longer ago than the second.
   */
  readonly halfSentBytesMax: number;
  readonly halfSentMs: number;
  /** Cursors of SCAN that are remembered. */
  readonly cursorsMax: number;
}

export const defaultClientLimits: ClientLimits = {
  ...defaultRequestLimits,
  clientsMax: 10_000,
  commandsWaitingMax: 1024,
  outputPauseBytes: 1024 * 1024,
  outputBytesMax: 64 * 1024 * 1024,
  halfSentBytesMax: 512 * 1024 * 1024,
  halfSentMs: 10_000,
  cursorsMax: 65_536,
};
