/**
 * TCP, by `node:net`: what Deno has, and what Bun has besides its own sockets.
 *
 * @module
 */
import * as net from "node:net";
import type {
  Address,
  Connection,
  ConnectionEvents,
  Listener,
  ListenerEvents,
  Network,
} from "../platform/network.ts";

class TcpConnection implements Connection {
  readonly #socket: net.Socket;
  readonly remote: string;
  #events: ConnectionEvents | null = null;
  #reason = "the connection was closed";
  #closed = false;

  constructor(socket: net.Socket, remote: string) {
    this.#socket = socket;
    this.remote = remote;
    socket.setNoDelay(true);
    socket.on("connect", () => this.#events?.onOpen());
    socket.on("data", (chunk: Uint8Array) => this.#events?.onData(chunk));
    socket.on("end", () => this.#events?.onEnd());
    socket.on("drain", () => this.#events?.onDrain());
    socket.on("error", (error) => this.#reason = reasonOf(error));
    socket.on("close", () => {
      if (this.#closed) return;
      this.#closed = true;
      this.#events?.onClose(this.#reason);
    });
  }

  get bytesQueued(): number {
    return this.#socket.writableLength;
  }

  listen(events: ConnectionEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (!this.#closed) this.#socket.end();
  }

  close(): void {
    this.#reason = "we closed the connection";
    this.#socket.destroy();
  }
}

export class TcpNetwork implements Network {
  listen({ host, port }: Address, events: ListenerEvents): Listener {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      events.onConnection(
        new TcpConnection(socket, `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`),
      );
    });
    server.on(
      "error",
      (error) =>
        events.onError(new Error(`cannot listen on ${host}:${port}: ${reasonOf(error)}`, { cause: error })),
    );
    server.on("listening", () => {
      const address = server.address();
      events.onListening(
        address === null || typeof address === "string" ? { host, port } : { host, port: address.port },
      );
    });
    server.listen({ host, port, backlog: 1024 });
    return {
      close: () => {
        server.close();
      },
    };
  }

  connect({ host, port }: Address): Connection {
    return new TcpConnection(net.connect({ host, port, allowHalfOpen: true }), `${host}:${port}`);
  }
}

/** The operating system's word for it, in plain language where there is one. */
export function reasonOf(error: Error): string {
  const code = "code" in error ? String(error.code) : "";
  const plain: Readonly<Record<string, string>> = {
    EADDRINUSE: "the port is in use",
    EADDRNOTAVAIL: "the address is not one of this machine's",
    EACCES: "permission denied",
    ECONNREFUSED: "connection refused",
    ECONNRESET: "connection reset",
    EPIPE: "the other side closed the connection",
    ENOTFOUND: "the host name is not known",
    EHOSTUNREACH: "no route to the host",
    ENETUNREACH: "no route to the network",
    ETIMEDOUT: "timed out",
  };
  return plain[code] ?? (code === "" ? error.message : code);
}
