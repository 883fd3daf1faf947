/**
 * Whoever watches a world: traces, pictures, progress, debugging. Everything is optional and costs nothing where it is left out.
 *
 * @module
 */
import type { PeerMessage } from "../../internal/codec/peer_message.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import type { Effect } from "../../internal/raft/effect.ts";
import type { Raft, StateView } from "../../internal/raft/raft.ts";
import type { WriteNumber } from "../../internal/raft/types.ts";
import type { StrikeName, Struck } from "./strikes.ts";

/** A server's log as it is now; not to be kept. */
export type LogLook = Raft["log"];

export interface Observer {
  /** A life began, with what was recovered. */
  onStarted?(at: number, id: string, view: StateView, log: LogLook): void;
  onEnded?(at: number, id: string, why: string): void;
  /** Also a step that breaks a property, before the run ends. */
  onStep?(at: number, id: string, view: StateView, effects: readonly Effect[]): void;
  /** Every write up to that number is on the disk. */
  onStable?(at: number, id: string, upTo: WriteNumber): void;
  /** A message left; when it arrives is the network's affair. */
  onSent?(at: number, from: string, to: string, message: PeerMessage): void;
  onReceived?(at: number, from: string, to: string, message: PeerMessage): void;
  onStrike?(at: number, strike: StrikeName, struck: Struck): void;
  /** The faults are over; these servers are the core, and the others are left as they are. */
  onHealed?(at: number, core: readonly string[]): void;
  onAsked?(at: number, client: number, server: string, words: readonly string[]): void;
  /** `null` where the connection was gone. */
  onAnswered?(
    at: number,
    client: number,
    server: string,
    words: readonly string[],
    reply: Reply | null,
  ): void;
  /** The run is over; `null` where everything held. */
  onVerdict?(at: number, violation: string | null): void;
}
