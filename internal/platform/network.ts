/**
 * The seam to the network: byte streams that can break.
 *
 * Bytes arrive in the order in which they were written, in chunks of any size, or the connection closes. That a write
 * was taken is no evidence that the other side got it.
 *
 * Nothing here throws for what the world did: a refused dial, a reset, a full port are told through `onClose` and
 * `onError`, each exactly once, never from inside the call that caused them.
 *
 * @module
 */

/** Where to listen or whom to dial. An IPv6 host stands without brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a connection tells its user. */
export interface ConnectionEvents {
  /** The dial succeeded. Never called for an accepted connection, which is open at birth. */
  onOpen(): void;
  /** Bytes arrived. The chunk belongs to the receiver: it is never written to again. */
  onData(chunk: Uint8Array): void;
  /** The other side sent its last byte; what we still write may yet arrive. */
  onEnd(): void;
  /** `bytesQueued` fell to zero after having been above it. */
  onDrain(): void;
  /** The connection is gone, for that reason; nothing else is called afterwards. */
  onClose(reason: string): void;
}

/** One byte stream in both directions. */
export interface Connection {
  /** The other end as `host:port`, for messages to people. */
  readonly remote: string;
  /** Bytes that were written and not yet handed to the operating system. */
  readonly bytesQueued: number;
  /** Says who listens. Called once, before the turn in which the connection was made ends. */
  listen(events: ConnectionEvents): void;
  /** Queues bytes; the caller gives them away and never writes to them again. Ignored once closed. */
  write(bytes: Uint8Array): void;
  /** Stops reading, so that the other side feels back-pressure. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** Sends what is queued, then says that no more will come. */
  end(): void;
  /** Drops everything now. `onClose` follows. */
  close(): void;
}

/** What a listening port tells its user. */
export interface ListenerEvents {
  /** The port is bound; for port 0 this says which one it is. */
  onListening(address: Address): void;
  /** Somebody connected. */
  onConnection(connection: Connection): void;
  /** The port cannot be bound, or accepting failed for good. */
  onError(error: Error): void;
}

export interface Listener {
  /** Stops accepting; connections made before live on. */
  close(): void;
}

export interface Network {
  listen(address: Address, events: ListenerEvents): Listener;
  connect(address: Address): Connection;
}
