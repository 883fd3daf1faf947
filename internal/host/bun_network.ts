/**
 * TCP, by Bun's own sockets: no stream and no event object lies between the kernel and whoever reads or writes.
 *
 * Keeps true: what the kernel did not take waits here, and is sent in the order in which it was written before anything newer; nothing is
 * told from inside the call that caused it; who is paused is told nothing that was sent, the end included.
 *
 * @module
 */
import type {
  Address,
  Connection,
  ConnectionEvents,
  Listener,
  ListenerEvents,
  Network,
} from "../platform/network.ts";
import type { BunListener, BunSocket, BunSocketHandler, BunSockets } from "./bun_sockets.ts";
import { reasonOf } from "./tcp_network.ts";

type Socket = BunSocket<BunConnection>;

/** Bun cannot break off a dial, so one that was given up lasts until the kernel gives it up: two minutes where nothing answers. */
const ABANDONED_MAX = 16;

const CLOSED = "the connection was closed";

class BunConnection implements Connection {
  readonly remote: string;
  /** `null` until the dial is answered, and after the close. */
  #socket: Socket | null = null;
  #events: ConnectionEvents | null = null;
  /** What the kernel has not taken, oldest first. */
  #queue: Uint8Array[] = [];
  #bytesQueued = 0;
  #isPaused = false;
  /** No more will be written. */
  #isEnding = false;
  /** The other side was told so. */
  #hasEnded = false;
  #peerEnded = false;
  #isClosed = false;

  constructor(remote: string) {
    this.remote = remote;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get bytesQueued(): number {
    return this.#bytesQueued;
  }

  listen(events: ConnectionEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array): void {
    if (this.#isClosed || this.#isEnding || bytes.length === 0) return;
    if (this.#socket === null || this.#bytesQueued > 0) return this.#enqueue(bytes);
    const taken = this.#send(this.#socket, bytes);
    if (!this.#isClosed && taken < bytes.length) this.#enqueue(taken === 0 ? bytes : bytes.subarray(taken));
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket?.resume();
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    if (this.#bytesQueued === 0) this.#sayEnd();
  }

  close(): void {
    this.#closeSoon("we closed the connection");
  }

  /* ---- what Bun tells ---- */

  /** The socket is there: accepted, or dialled. */
  attach(socket: Socket): void {
    if (this.#isClosed) {
      socket.end();
      return;
    }
    socket.data = this;
    this.#socket = socket;
    if (this.#isPaused) socket.pause();
  }

  opened(socket: Socket): void {
    this.attach(socket);
    if (this.#isClosed) return;
    this.#events?.onOpen();
    this.drained();
    if (this.#isEnding && this.#bytesQueued === 0) this.#sayEnd();
  }

  received(chunk: Uint8Array): void {
    if (!this.#isClosed) this.#events?.onData(chunk);
  }

  drained(): void {
    const socket = this.#socket;
    if (this.#bytesQueued === 0 || socket === null) return;
    let sent = 0;
    for (const bytes of this.#queue) {
      const taken = this.#send(socket, bytes);
      if (this.#isClosed) return;
      this.#bytesQueued -= taken;
      if (taken < bytes.length) {
        this.#queue = this.#queue.slice(sent);
        this.#queue[0] = bytes.subarray(taken);
        return;
      }
      sent++;
    }
    this.#queue = [];
    if (this.#isEnding) this.#sayEnd();
    if (!this.#isClosed) this.#events?.onDrain();
  }

  peerEnded(): void {
    if (this.#isClosed || this.#peerEnded) return;
    this.#peerEnded = true;
    this.#events?.onEnd();
    if (this.#hasEnded) this.#closeSoon(CLOSED);
  }

  /** The connection is gone, be it that it never was. */
  gone(error: Error | undefined): void {
    if (this.#isClosed) return;
    // Who had ended its side hears of the other side's end by the close alone.
    if (error === undefined && this.#hasEnded && !this.#peerEnded) {
      this.#peerEnded = true;
      this.#events?.onEnd();
      if (this.#isClosed) return;
    }
    this.#drop();
    this.#events?.onClose(error === undefined ? CLOSED : reasonOf(error));
  }

  /* ---- the inside ---- */

  #enqueue(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#bytesQueued += bytes.length;
  }

  /** How much the kernel took. A broken stream is closed, since Bun may tell nothing of it: the write has used the error up. */
  #send(socket: Socket, bytes: Uint8Array): number {
    const taken = socket.write(bytes);
    if (taken >= 0) return taken;
    this.#closeSoon("the other side closed the connection");
    return 0;
  }

  #sayEnd(): void {
    if (this.#hasEnded || this.#socket === null) return;
    this.#hasEnded = true;
    if (this.#peerEnded) this.#closeSoon(CLOSED);
    else this.#socket.shutdown();
  }

  /** Closes now and tells it when this call is over. */
  #closeSoon(reason: string): void {
    if (this.#isClosed) return;
    const socket = this.#socket;
    this.#drop();
    socket?.end();
    queueMicrotask(() => this.#events?.onClose(reason));
  }

  #drop(): void {
    this.#isClosed = true;
    this.#socket = null;
    this.#queue = [];
    this.#bytesQueued = 0;
  }
}

/** What Bun calls for each of our connections, accepted ones or dialled ones. */
function handler(open: (socket: Socket) => void): BunSocketHandler<BunConnection> {
  return {
    binaryType: "uint8array",
    open,
    data: (socket, chunk) => socket.data?.received(chunk),
    drain: (socket) => socket.data?.drained(),
    end: (socket) => socket.data?.peerEnded(),
    close: (socket, error) => socket.data?.gone(error),
  };
}

export class BunNetwork implements Network {
  readonly #sockets: BunSockets;
  readonly #other: Network;
  readonly #dials = new Set<BunConnection>();

  /** @param other who dials as long as too many dials that were given up are still under way */
  constructor(sockets: BunSockets, other: Network) {
    this.#sockets = sockets;
    this.#other = other;
  }

  listen({ host, port }: Address, events: ListenerEvents): Listener {
    const accepted = handler((socket) => {
      const connection = new BunConnection(`${socket.remoteAddress}:${socket.remotePort}`);
      connection.attach(socket);
      events.onConnection(connection);
    });
    let listener: BunListener | null = null;
    let isClosed = false;
    queueMicrotask(() => {
      if (isClosed) return;
      try {
        listener = this.#sockets.listen({ hostname: host, port, allowHalfOpen: true, socket: accepted });
      } catch (cause) {
        const error = errorOf(cause);
        events.onError(
          new Error(`cannot listen on ${host}:${port}: ${reasonOf(error)}`, { cause: error }),
        );
        return;
      }
      events.onListening({ host, port: listener.port });
    });
    return {
      close: () => {
        isClosed = true;
        listener?.stop(false);
      },
    };
  }

  connect(address: Address): Connection {
    if (this.#abandoned() >= ABANDONED_MAX) return this.#other.connect(address);
    const connection = new BunConnection(`${address.host}:${address.port}`);
    this.#dials.add(connection);
    void this.#dial(address, connection);
    return connection;
  }

  /** Dials that were given up, and that the kernel goes on with. */
  #abandoned(): number {
    let count = 0;
    for (const connection of this.#dials) if (connection.isClosed) count++;
    return count;
  }

  async #dial({ host, port }: Address, connection: BunConnection): Promise<void> {
    const socket = handler((socket) => connection.opened(socket));
    try {
      await this.#sockets.connect({ hostname: host, port, allowHalfOpen: true, socket });
    } catch (error) {
      // What its user throws there must not pass for a rejected dial.
      queueMicrotask(() => connection.gone(errorOf(error)));
    } finally {
      this.#dials.delete(connection);
    }
  }
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
