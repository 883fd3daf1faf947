/**
 * A real Redis server on loopback, without any persistence, and a raw conversation with it.
 *
 * Keeps true: the process that is started here is ended here, by its pid.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import { freePorts, missingProgram, Running } from "../process/harness.ts";
import { readReply } from "./resp.ts";

/** Says why there is no Redis here, or `null`. */
export function missingRedis(): string | null {
  return missingProgram("redis-server");
}

export class Redis {
  readonly #process: Running;
  readonly #socket: Socket;
  #heard = "";
  #wake: () => void = () => {};

  private constructor(process: Running, socket: Socket) {
    this.#process = process;
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#heard += latin1Of(chunk);
      this.#wake();
    });
    socket.on("close", () => this.#wake());
  }

  static async start(): Promise<Redis> {
    // Somebody else may take a port between asking for it and using it.
    for (let attempt = 1;; attempt++) {
      try {
        return await Redis.#startOnce();
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  static async #startOnce(): Promise<Redis> {
    const [port = 0] = await freePorts(1);
    const options = { port: String(port), bind: "127.0.0.1", save: "", appendonly: "no", dir: tmpdir() };
    const process = new Running(
      { name: "redis", command: "redis-server", args: [] },
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    );
    try {
      await process.said(/Ready to accept connections/, 10_000);
      const socket = connect({ host: "127.0.0.1", port });
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.once("connect", () => resolve());
      });
      return new Redis(process, socket);
    } catch (error) {
      await process.kill();
      throw error;
    }
  }

  /** Sends all these commands at once, and gives the raw replies, each a text of one character per byte. */
  async ask(commands: readonly (readonly string[])[]): Promise<string[]> {
    const request = commands.map((words) =>
      `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`
    ).join("");
    this.#socket.write(bytesOfLatin1(request));
    const replies: string[] = [];
    while (replies.length < commands.length) {
      const reply = readReply(this.#heard, 0);
      if (reply !== null) {
        replies.push(this.#heard.slice(0, reply.end));
        this.#heard = this.#heard.slice(reply.end);
      } else if (this.#socket.destroyed) throw new Error("Redis closed the connection");
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return replies;
  }

  async stop(): Promise<void> {
    this.#socket.destroy();
    await this.#process.kill();
  }
}
