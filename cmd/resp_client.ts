/**
 * A client of the line protocol, for `cli`, `status`, `bench` and `demo`.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import type { Address } from "../internal/platform/network.ts";
import { showAddress } from "./flags.ts";

export type Answer =
  | { readonly type: "simple" | "error"; readonly text: string }
  | { readonly type: "integer"; readonly text: string }
  | { readonly type: "bulk"; readonly bytes: Uint8Array }
  | { readonly type: "null" }
  | { readonly type: "array"; readonly items: readonly Answer[] };

const LF = 10;
const NULL: Answer = { type: "null" };
const decoder = new TextDecoder();

/** An array of which some items are still to come. */
interface OpenArray {
  readonly items: Answer[];
  readonly count: number;
}

/**
 * Takes replies out of a byte stream, however it is cut.
 *
 * Keeps true: every byte is read once and copied a bounded number of times, however many chunks a reply comes in; after an error nothing is
 * given any more. RESP2, and of RESP3 what our servers send after `HELLO 3`: null and maps, shown as RESP2 writes them.
 */
export class AnswerParser {
  /** A chunk as it came, full to its end; or a buffer of our own, with room behind `#end` that holds zeros only. */
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  readonly #open: OpenArray[] = [];

  push(chunk: Uint8Array): void {
    const left = this.#end - this.#at;
    if (left === 0) {
      this.#bytes = chunk;
      this.#at = 0;
      this.#end = chunk.length;
      return;
    }
    if (this.#end + chunk.length > this.#bytes.length) this.#grow(left, left + chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Moves what is left to the front of a new buffer, twice as large as needed: most chunks then fit in without a move. */
  #grow(left: number, needed: number): void {
    const grown = new Uint8Array(2 * needed);
    grown.set(this.#bytes.subarray(this.#at, this.#end));
    this.#bytes = grown;
    this.#at = 0;
    this.#end = left;
  }

  /**
   * The next reply, or `null` where more bytes are needed.
   *
   * @throws {Error} where the bytes are no reply
   */
  next(): Answer | null {
    while (true) {
      const item = this.#item();
      if (item === null) return null;
      const whole = this.#settle(item);
      if (whole !== null) return whole;
    }
  }

  /** Puts an item where it belongs: the answer that is whole with it, or `null` where an array waits for more. */
  #settle(item: Answer | OpenArray): Answer | null {
    let current = item;
    while (true) {
      if ("count" in current) {
        if (current.items.length < current.count) {
          this.#open.push(current);
          return null;
        }
        current = { type: "array", items: current.items };
      }
      const outer = this.#open.pop();
      if (outer === undefined) return current;
      outer.items.push(current);
      current = outer;
    }
  }

  /** The next item, or the beginning of an array; what was read is passed over. */
  #item(): Answer | OpenArray | null {
    const lineEnd = this.#bytes.indexOf(LF, this.#at);
    if (lineEnd < 0) return null;
    const first = this.#bytes[this.#at];
    const text = decoder.decode(this.#bytes.subarray(this.#at + 1, lineEnd - 1));
    const bodyAt = lineEnd + 1;
    let end = bodyAt;
    let item: Answer | OpenArray;
    switch (first) {
      case 36: {
        const length = lengthOf(text);
        const bodyEnd = bodyAt + Math.max(0, length);
        if (length >= 0) end = bodyEnd + 2;
        if (end > this.#end) return null;
        item = length < 0 ? NULL : { type: "bulk", bytes: this.#bytes.slice(bodyAt, bodyEnd) };
        break;
      }
      case 37:
      case 42: {
        const length = lengthOf(text);
        item = length < 0 ? NULL : { items: [], count: first === 37 ? 2 * length : length };
        break;
      }
      case 43:
        item = { type: "simple", text };
        break;
      case 45:
        item = { type: "error", text };
        break;
      case 58:
        if (!/^[+-]?\d+$/.test(text)) throw new Error(`Cannot read the reply: "${text}" is no integer`);
        item = { type: "integer", text };
        break;
      case 95:
        item = NULL;
        break;
      default:
        throw new Error(`Cannot read the reply: it begins with byte ${first}`);
    }
    this.#at = end;
    return item;
  }
}

/** The length of a text or an array; -1 stands for none. */
function lengthOf(text: string): number {
  if (!/^(-1|\d{1,10})$/.test(text)) {
    throw new Error(`Cannot read the reply: "${text.slice(0, 32)}" is no length`);
  }
  return Number(text);
}

/** A command as an array of bulk strings. */
export function encodeRequest(words: readonly (string | Uint8Array)[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [encoder.encode(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === "string" ? encoder.encode(word) : word;
    parts.push(encoder.encode(`$${bytes.length}\r\n`), bytes, encoder.encode("\r\n"));
  }
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export class RespClient {
  readonly address: Address;
  readonly #socket: Socket;
  readonly #parser = new AnswerParser();
  readonly #waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  #gone: Error | null = null;

  private constructor(address: Address, socket: Socket) {
    this.address = address;
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on(
      "error",
      (error) => this.#end(new Error(`connection to ${showAddress(address)} failed`, { cause: error })),
    );
    socket.on("close", () => this.#end(new Error(`${showAddress(address)} closed the connection`)));
  }

  /**
   * Connects.
   *
   * @throws {Error} where that fails or takes longer than `withinMs`
   */
  static connect(address: Address, withinMs = 3000): Promise<RespClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address.host, port: address.port, noDelay: true });
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new Error(`cannot connect to ${showAddress(address)}: no answer within ${withinMs} ms`));
      }, withinMs);
      const failed = (error: Error) => {
        clearTimeout(timer);
        reject(new Error(`cannot connect to ${showAddress(address)}`, { cause: error }));
      };
      socket.once("error", failed);
      socket.once("connect", () => {
        clearTimeout(timer);
        socket.off("error", failed);
        resolve(new RespClient(address, socket));
      });
    });
  }

  /** Sends a command. Rejects where the connection breaks before the answer. */
  send(words: readonly (string | Uint8Array)[]): Promise<Answer> {
    return this.#expect(() => this.#socket.write(encodeRequest(words)));
  }

  /** Sends a line as it was typed; the server splits it. */
  sendLine(line: string): Promise<Answer> {
    return this.#expect(() => this.#socket.write(`${line}\r\n`));
  }

  close(): void {
    this.#socket.destroy();
  }

  #expect(write: () => void): Promise<Answer> {
    if (this.#gone !== null) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      write();
    });
  }

  #received(chunk: Uint8Array): void {
    this.#parser.push(chunk);
    try {
      for (let answer = this.#parser.next(); answer !== null; answer = this.#parser.next()) {
        this.#waiting.shift()?.resolve(answer);
      }
    } catch (error) {
      this.#end(
        new Error(`${showAddress(this.address)} does not speak the Redis protocol`, { cause: error }),
      );
      this.#socket.destroy();
    }
  }

  #end(reason: Error): void {
    this.#gone ??= reason;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#gone);
  }
}

/** The first of these addresses that answers. */
export async function connectToAny(addresses: readonly Address[], withinMs = 3000): Promise<RespClient> {
  const failures: string[] = [];
  for (const address of addresses) {
    try {
      return await RespClient.connect(address, withinMs);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(failures.join("; "));
}

/** The text of an answer that is one. */
export function textOf(answer: Answer): string {
  switch (answer.type) {
    case "bulk":
      return decoder.decode(answer.bytes);
    case "simple":
      return answer.text;
    case "error":
      throw new Error(answer.text);
    default:
      throw new Error(`the answer is no text but ${answer.type}`);
  }
}
