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

/** Takes RESP2 replies out of a byte stream, however it is cut. */
export class AnswerParser {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  push(chunk: Uint8Array): void {
    const left = this.#end - this.#at;
    if (left === 0) {
      this.#bytes = chunk;
      this.#at = 0;
      this.#end = chunk.length;
      return;
    }
    // Doubling keeps a long reply in many chunks linear.
    const joined = new Uint8Array(Math.max(left + chunk.length, left * 2));
    joined.set(this.#bytes.subarray(this.#at, this.#end));
    joined.set(chunk, left);
    this.#bytes = joined;
    this.#at = 0;
    this.#end = left + chunk.length;
  }

  /** The next reply, or `null` where more bytes are needed. */
  next(): Answer | null {
    const parsed = this.#parse(this.#at);
    if (parsed === null) return null;
    this.#at = parsed.end;
    return parsed.answer;
  }

  #parse(at: number): { readonly answer: Answer; readonly end: number } | null {
    const lineEnd = this.#bytes.indexOf(LF, at);
    if (lineEnd < 0 || lineEnd >= this.#end) return null;
    const text = new TextDecoder().decode(this.#bytes.subarray(at + 1, lineEnd - 1));
    const end = lineEnd + 1;
    switch (this.#bytes[at]) {
      case 43:
        return { answer: { type: "simple", text }, end };
      case 45:
        return { answer: { type: "error", text }, end };
      case 58:
        return { answer: { type: "integer", text }, end };
      case 36: {
        const length = Number(text);
        if (length < 0) return { answer: { type: "null" }, end };
        if (end + length + 2 > this.#end) return null;
        return {
          answer: { type: "bulk", bytes: this.#bytes.slice(end, end + length) },
          end: end + length + 2,
        };
      }
      case 42: {
        const count = Number(text);
        if (count < 0) return { answer: { type: "null" }, end };
        const items: Answer[] = [];
        let next = end;
        for (let i = 0; i < count; i++) {
          const item = this.#parse(next);
          if (item === null) return null;
          items.push(item.answer);
          next = item.end;
        }
        return { answer: { type: "array", items }, end: next };
      }
      default:
        throw new Error(`Cannot read the reply: it begins with byte ${this.#bytes[at]}`);
    }
  }
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
      return new TextDecoder().decode(answer.bytes);
    case "simple":
      return answer.text;
    case "error":
      throw new Error(answer.text);
    default:
      throw new Error(`the answer is no text but ${answer.type}`);
  }
}
