/**
 * The control port: lines in, lines out.
 *
 * Keeps true: commands of one connection are done one after another; the answer to each is any lines that it has to show, and then exactly one
 * that begins with `ok` or `error:`; a line that is too long ends the connection; a client that does not read harms only itself.
 *
 * @module
 */
import type { Socket } from "node:net";
import { describeError } from "../../../internal/base/errors.ts";
import type { Address } from "../../../internal/platform/network.ts";
import { runLine } from "./control_commands.ts";
import { listen, type Listening, stopListening } from "./listen.ts";
import type { Proxy } from "./proxy.ts";

const LINE_CHARS_MAX = 4096;
/** Answers that may wait for a reader. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

export class Control {
  readonly #listening: Listening;
  readonly #sockets: Set<Socket>;

  private constructor(listening: Listening, sockets: Set<Socket>) {
    this.#listening = listening;
    this.#sockets = sockets;
  }

  /** @throws {Refusal} where the port cannot be had */
  static async open(proxy: Proxy, address: Address): Promise<Control> {
    const sockets = new Set<Socket>();
    const listening = await listen(address, (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      serve(proxy, socket);
    });
    return new Control(listening, sockets);
  }

  get address(): Address {
    return this.#listening.address;
  }

  async close(): Promise<void> {
    const stopped = stopListening(this.#listening);
    for (const socket of this.#sockets) socket.destroy();
    await stopped;
  }
}

function serve(proxy: Proxy, socket: Socket): void {
  let rest = "";
  let isOver = false;
  /** What was read is done, up to here. */
  let done = Promise.resolve();
  const say = (text: string) => {
    if (socket.writable) socket.write(`${text}\n`);
    if (socket.writableLength > OUTPUT_BYTES_MAX) socket.destroy();
  };
  const close = () => {
    isOver = true;
    socket.end();
  };
  const run = async (line: string) => {
    if (isOver) return;
    try {
      const answer = await runLine(proxy, line);
      answer.forEach((text, i) => say(i === answer.length - 1 ? `ok ${text}`.trimEnd() : text));
      if (/^\s*quit\b/i.test(line)) close();
    } catch (error) {
      say(`error: ${describeError(error)}`);
    }
  };
  const enqueue = (line: string) => {
    done = done.then(() => run(line));
  };
  socket.setEncoding("utf8");
  socket.on("data", (chunk) => {
    if (isOver) return;
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) enqueue(line);
    if (rest.length <= LINE_CHARS_MAX) return;
    rest = "";
    done = done.then(() => {
      say(`error: a line is longer than ${LINE_CHARS_MAX} characters`);
      close();
    });
  });
  socket.on("end", () => {
    if (rest !== "") enqueue(rest);
    done = done.then(close);
  });
  // A reset ends the connection; there is nobody left to be told.
  socket.on("error", () => socket.destroy());
}
