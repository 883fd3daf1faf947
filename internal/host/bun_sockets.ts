/**
 * The part of Bun's own socket interface that is used here, as its documentation states it; `null` on any other runtime.
 *
 * @module
 */

/** A stream that Bun opened. */
export interface BunSocket<Data> {
  /** Whatever its user wants to find again; `undefined` until the user sets it. */
  data: Data | undefined;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** How many of the bytes the kernel took; negative where the stream is broken or closed. */
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  /** Says that no more will come, and goes on reading. */
  shutdown(): void;
  /** Closes both directions; what the kernel took before is still sent. `close` is called from inside this call. */
  end(): void;
}

/**
 * What Bun calls. There is no `error` on purpose: Bun would hand it what these throw, which then stops nobody; without it that is an
 * exception that nobody caught.
 */
export interface BunSocketHandler<Data> {
  readonly binaryType: "uint8array";
  open(socket: BunSocket<Data>): void;
  /** The chunk is a copy of its own. */
  data(socket: BunSocket<Data>, chunk: Uint8Array): void;
  /** The kernel has room again; may come without need. */
  drain(socket: BunSocket<Data>): void;
  /** The other side's last byte was read; not told to who sent its own last byte before, for whom `close` follows at once. */
  end(socket: BunSocket<Data>): void;
  close(socket: BunSocket<Data>, error?: Error): void;
}

export interface BunListener {
  readonly port: number;
  /** Accepts no more; with `false` those that were accepted live on. */
  stop(closesConnections: boolean): void;
}

interface BunStreamOptions<Data> {
  readonly hostname: string;
  readonly port: number;
  readonly allowHalfOpen: boolean;
  readonly socket: BunSocketHandler<Data>;
}

export interface BunSockets {
  /** @throws {Error} where the port cannot be bound */
  listen<Data>(options: BunStreamOptions<Data>): BunListener;
  /** Settles after `open` was called, or with the reason why it never will be. */
  connect<Data>(options: BunStreamOptions<Data>): Promise<unknown>;
}

declare const Bun: BunSockets | undefined;

export const bunSockets: BunSockets | null = typeof Bun === "undefined" ? null : Bun;
