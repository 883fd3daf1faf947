/**
 * One connection through a link: a socket of the client, one to the target, and a pipe each way.
 *
 * Keeps true: an end is carried through as an end while the other direction lives on, anything else as a reset; what we do to a socket ourselves
 * is not mistaken for the doing of the other side; it is over when both sockets are closed.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Random } from "../../../internal/base/random.ts";
import type { Cut, Direction } from "./faults.ts";
import type { Lane } from "./lane.ts";
import { Pipe } from "./pipe.ts";

export interface ConnectionOptions {
  readonly number: number;
  readonly client: Socket;
  /** Connecting, or not there at all. */
  readonly target: Socket | null;
  readonly lanes: Readonly<Record<Direction, Lane>>;
  readonly isFramed: boolean;
  readonly bufferBytesMax: number;
  readonly random: Random;
  readonly flipsOf: (direction: Direction, seed: string) => Random;
  readonly onCut: (direction: Direction, cut: Cut) => void;
  readonly onOver: () => void;
}

export class ProxiedConnection {
  readonly pipes: Readonly<Record<Direction, Pipe>>;
  readonly #client: Socket;
  readonly #target: Socket | null;
  readonly #onOver: () => void;
  /** Sockets whose events mean nothing any more. */
  readonly #ignored = new Set<Socket>();
  #openSockets = 0;
  #isHalfOpen = false;

  constructor(options: ConnectionOptions) {
    const { number, client, target, lanes, isFramed, bufferBytesMax, random, flipsOf } = options;
    this.#client = client;
    this.#target = target;
    this.#onOver = options.onOver;
    const pipe = (direction: Direction, source: Socket | null, destination: Socket | null) =>
      new Pipe({
        lane: lanes[direction],
        number,
        source,
        destination,
        isFramed,
        bufferBytesMax,
        random: random.fork(direction),
        flipsOf: (seed) => flipsOf(direction, seed),
        onCut: (cut) => {
          // Closed first: a cut that is over wakes every pipe, and this one must not send the rest.
          this.#close(source, destination, cut.reset);
          options.onCut(direction, cut);
        },
      });
    this.pipes = { up: pipe("up", client, target), down: pipe("down", target, client) };
    this.#attach(client, this.pipes.up, this.pipes.down);
    if (target !== null) this.#attach(target, this.pipes.down, this.pipes.up);
    // A cut after no bytes at all is due by now.
    this.pipes.up.wake();
    this.pipes.down.wake();
  }

  /** Both ends hear nothing more of the other one, not even that it is gone. */
  halfOpen(): void {
    this.#isHalfOpen = true;
    this.pipes.up.deafen();
    this.pipes.down.deafen();
  }

  get isHalfOpen(): boolean {
    return this.#isHalfOpen;
  }

  /** Breaks both sides with a RST, whatever is under way. */
  reset(): void {
    this.#closePipes();
    for (const socket of [this.#client, this.#target]) {
      if (socket === null) continue;
      this.#ignored.add(socket);
      socket.resetAndDestroy();
    }
  }

  /** Breaks one side with a RST; the other one still gets what is under way to it, and then the end. */
  resetSide(side: "client" | "target"): void {
    const [socket, from, to] = side === "client"
      ? [this.#client, this.pipes.up, this.pipes.down]
      : [this.#target, this.pipes.down, this.pipes.up];
    if (socket === null || this.#ignored.has(socket)) return;
    this.#ignored.add(socket);
    to.destinationGone();
    socket.resetAndDestroy();
    from.takeEnd();
  }

  /** Drops everything now. */
  destroy(): void {
    this.#closePipes();
    this.#client.destroy();
    this.#target?.destroy();
  }

  #attach(socket: Socket, from: Pipe, to: Pipe): void {
    this.#openSockets++;
    const isIgnored = () => this.#ignored.has(socket);
    socket.setNoDelay(true);
    socket.on("connect", () => to.wake());
    socket.on("data", (chunk: Uint8Array) => isIgnored() || from.take(chunk));
    socket.on("end", () => isIgnored() || from.takeEnd());
    // Told by "close".
    socket.on("error", () => {});
    socket.on("close", (hadError: boolean) => {
      if (!isIgnored()) {
        const isInOrder = !hadError && from.hasEnded && to.isFinished;
        to.destinationGone();
        if (!isInOrder) from.takeReset();
      }
      if (--this.#openSockets === 0) {
        this.#closePipes();
        this.#onOver();
      }
    });
  }

  /** Closes in mid-stream: the destination gets what was written and the end, or a RST; the source finds nobody there. */
  #close(source: Socket | null, destination: Socket | null, byReset: boolean): void {
    this.#closePipes();
    if (source !== null) this.#ignored.add(source);
    if (destination !== null) this.#ignored.add(destination);
    if (byReset) {
      source?.resetAndDestroy();
      destination?.resetAndDestroy();
      return;
    }
    source?.destroy();
    destination?.destroySoon();
  }

  #closePipes(): void {
    this.pipes.up.close();
    this.pipes.down.close();
  }
}
