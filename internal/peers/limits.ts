/**
 * The bounds of the peers' room.
 *
 * @module
 */

export interface PeerLimits {
  /** The longest body of a frame. */
  readonly frameBytesMax: number;
  /** Bytes that wait on one link before more is dropped; may be passed by one message. */
  readonly linkBytesMax: number;
  /** Connect and greet within this time. */
  readonly handshakeMs: number;
  /** How often a link asks whether it is alive, and how long it may ask without an answer before it is given up. */
  readonly pingMs: number;
  readonly silenceMs: number;
  /** A broken link is dialled again after a time that doubles from the first to the second, with jitter. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** Accepted connections, in all and before they greeted. */
  readonly connectionsMax: number;
  readonly strangersMax: number;
  /** A bulk connection that carries nothing for so long is closed. */
  readonly bulkIdleMs: number;
  /** How long a server that is no member any more is still talked to. */
  readonly departureMs: number;
}

export const defaultPeerLimits: PeerLimits = {
  frameBytesMax: 16 * 1024 * 1024,
  linkBytesMax: 32 * 1024 * 1024,
  handshakeMs: 2000,
  pingMs: 500,
  silenceMs: 2000,
  backoffMinMs: 50,
  backoffMaxMs: 1000,
  connectionsMax: 256,
  strangersMax: 64,
  bulkIdleMs: 30_000,
  departureMs: 1000,
};
