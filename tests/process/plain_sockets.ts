/**
 * Plain TCP ends for tests: what arrived and when, and how it ended. No protocol.
 *
 * @module
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { eventually } from "./harness.ts";

/** One end of a connection. */
export class PlainEnd {
  readonly socket: Socket;
  readonly chunks: { readonly bytes: Uint8Array; readonly at: number }[] = [];
  /** The other side said that no more will come. */
  hasEnded = false;
  /** How it is over; `null` while it is not. */
  over: "closed" | "reset" | null = null;
  #error: string | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on(
      "data",
      (chunk: Uint8Array) => this.chunks.push({ bytes: chunk.slice(), at: performance.now() }),
    );
    socket.on("end", () => this.hasEnded = true);
    socket.on("error", (error) => this.#error = "code" in error ? String(error.code) : error.message);
    socket.on("close", () => this.over = this.#error === null ? "closed" : "reset");
  }

  get error(): string | null {
    return this.#error;
  }

  get received(): Uint8Array {
    const bytes = new Uint8Array(this.chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0));
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk.bytes, at);
      at += chunk.bytes.length;
    }
    return bytes;
  }

  get text(): string {
    return new TextDecoder("latin1").decode(this.received);
  }

  /** Waits until so many bytes arrived. */
  async got(count: number, withinMs = 5000): Promise<void> {
    await eventually(
      `${count} bytes arrive`,
      withinMs,
      () => Promise.resolve(this.chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0) >= count),
    );
  }

  async isOver(how: "closed" | "reset", withinMs = 3000): Promise<void> {
    await eventually(`the connection is ${how}`, withinMs, () => Promise.resolve(this.over === how));
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }
}

/** Connects, and waits until that worked. */
export async function dial(port: number): Promise<PlainEnd> {
  const end = new PlainEnd(connect({ host: "127.0.0.1", port, allowHalfOpen: true }));
  await new Promise<void>((resolve, reject) => {
    end.socket.once("connect", resolve);
    end.socket.once("error", reject);
  });
  return end;
}

/** A listening port that keeps what comes. */
export class PlainTarget {
  readonly accepted: PlainEnd[] = [];
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on("connection", (socket) => this.accepted.push(new PlainEnd(socket)));
  }

  static async open(): Promise<PlainTarget> {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("Cannot learn which port was bound");
    return new PlainTarget(server, address.port);
  }

  /** The connection of that number, from 0, once it is there. */
  async connection(number: number, withinMs = 3000): Promise<PlainEnd> {
    await eventually(
      `connection ${number} arrives`,
      withinMs,
      () => Promise.resolve(this.accepted.length > number),
    );
    const end = this.accepted[number];
    if (end === undefined) throw new Error("unreachable: eventually returned without a connection");
    return end;
  }

  async close(): Promise<void> {
    for (const { socket } of this.accepted) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
