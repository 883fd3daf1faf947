/**
 * Drives a proxy by its line protocol, as a person with netcat does.
 *
 * @module
 */
import { connect, type Socket } from "node:net";

export class ProxyClient {
  readonly port: number;
  readonly #socket: Socket;
  #text = "";
  #lines: string[] = [];
  #waiting: { resolve(lines: readonly string[]): void; reject(error: Error): void }[] = [];

  private constructor(socket: Socket, port: number) {
    this.port = port;
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (chunk) => this.#heard(String(chunk)));
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error("the control connection is gone"));
    });
  }

  static async connect(port: number): Promise<ProxyClient> {
    const socket = connect({ host: "127.0.0.1", port });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new ProxyClient(socket, port);
  }

  /** Says a line; gives the lines of its answer, be it good or bad. */
  say(line: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${line}\n`);
    });
  }

  /** Says lines that must work; gives the last answer. */
  async do(...lines: readonly string[]): Promise<string> {
    let last = "";
    for (const line of lines) {
      last = (await this.say(line)).at(-1) ?? "";
      if (!last.startsWith("ok")) throw new Error(`${line}: ${last}`);
    }
    return last;
  }

  close(): void {
    this.#socket.destroy();
  }

  #heard(text: string): void {
    const lines = (this.#text + text).split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) {
      this.#lines.push(line);
      if (!/^(?:ok\b|error:)/.test(line)) continue;
      this.#waiting.shift()?.resolve(this.#lines);
      this.#lines = [];
    }
  }
}
