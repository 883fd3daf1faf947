/**
 * A client of the line protocol, for `cli`, `status`, `bench` and `demo`.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { joined } from "../internal/base/bytes.ts";
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { reasonOf } from "../internal/host/tcp_network.ts";
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
  return joined(parts);
}

/** That a server does not answer, or none of several. */
export class NoAnswer extends Refusal {
  readonly reason: string;

  /** `from` is for people: the addresses, each with its reason. */
  constructor(from: string, reason: string, options?: ErrorOptions) {
    super(ExitCode.unavailable, `no answer from ${from}`, options);
    this.reason = reason;
  }

  static of(address: Address, reason: string, options?: ErrorOptions): NoAnswer {
    return new NoAnswer(`${showAddress(address)}: ${reason}`, reason, options);
  }
}

/** How long a server has to take a connection, and to say that it is there. */
const CONNECT_MS = 3000;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: NoAnswer): void;
}

export class RespClient {
  readonly address: Address;
  readonly #socket: Socket;
  readonly #parser = new AnswerParser();
  readonly #waiting: Waiting[] = [];
  #gone: NoAnswer | null = null;

  private constructor(address: Address, socket: Socket) {
    this.address = address;
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on("error", (error) => this.#end(reasonOf(error), error));
    socket.on("close", () => this.#end("it closed the connection"));
  }

  /**
   * Connects.
   *
   * @throws {NoAnswer} where that fails or takes longer than `withinMs`
   */
  static connect(address: Address, withinMs = CONNECT_MS): Promise<RespClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address.host, port: address.port, noDelay: true });
      const failed = (reason: string, cause?: Error) => {
        clearTimeout(timer);
        socket.destroy();
        reject(NoAnswer.of(address, reason, { cause }));
      };
      const timer = setTimeout(() => failed(`not within ${withinMs} ms`), withinMs);
      const onError = (error: Error) => failed(reasonOf(error), error);
      socket.on("error", onError);
      socket.once("connect", () => {
        clearTimeout(timer);
        const client = new RespClient(address, socket);
        socket.off("error", onError);
        resolve(client);
      });
    });
  }

  /** Why the connection is over, and nothing can be sent any more; `null` while it lives. */
  get gone(): NoAnswer | null {
    return this.#gone;
  }

  /**
   * Sends a command.
   *
   * @throws {NoAnswer} where the connection breaks before the answer, or none comes within `withinMs`; the connection is over then
   */
  send(words: readonly (string | Uint8Array)[], withinMs = Infinity): Promise<Answer> {
    return this.#expect(encodeRequest(words), withinMs);
  }

  /** Sends a line as it was typed; the server splits it. */
  sendLine(line: string | Uint8Array): Promise<Answer> {
    const typed = typeof line === "string" ? new TextEncoder().encode(line) : line;
    const bytes = new Uint8Array(typed.length + 2);
    bytes.set(typed);
    bytes.set(LINE_END, typed.length);
    return this.#expect(bytes, Infinity);
  }

  close(): void {
    this.#socket.destroy();
  }

  #expect(request: Uint8Array, withinMs: number): Promise<Answer> {
    if (this.#gone !== null) return Promise.reject(this.#gone);
    const answer = new Promise<Answer>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#socket.write(request);
    if (withinMs === Infinity) return answer;
    const timer = setTimeout(() => {
      this.#end(`not within ${withinMs} ms`);
      this.#socket.destroy();
    }, withinMs);
    return answer.finally(() => clearTimeout(timer));
  }

  #received(chunk: Uint8Array): void {
    this.#parser.push(chunk);
    try {
      for (let answer = this.#parser.next(); answer !== null; answer = this.#parser.next()) {
        this.#waiting.shift()?.resolve(answer);
      }
    } catch (error) {
      this.#end("it does not speak the Redis protocol", error);
      this.#socket.destroy();
    }
  }

  #end(reason: string, cause?: unknown): void {
    this.#gone ??= NoAnswer.of(this.address, reason, { cause });
    for (const { reject } of this.#waiting.splice(0)) reject(this.#gone);
  }
}

const LINE_END = Uint8Array.of(13, 10);

/**
 * The first of these addresses at which a server answers.
 *
 * @throws {NoAnswer} that names each address, with why
 */
export async function connectToAny(
  addresses: readonly Address[],
  withinMs = CONNECT_MS,
): Promise<RespClient> {
  const silent: Silent[] = [];
  for (const address of addresses) {
    const found = await dial(address, withinMs);
    if (found instanceof RespClient) return found;
    silent.push(found);
  }
  throw silence(silent);
}

/**
 * All of these addresses at which a server answers, and what is to be said of the others.
 *
 * @throws {NoAnswer} where there is none
 */
export async function connectToAll(
  addresses: readonly Address[],
  withinMs = CONNECT_MS,
): Promise<{ readonly clients: readonly RespClient[]; readonly silence: NoAnswer | null }> {
  const found = await Promise.all(addresses.map((address) => dial(address, withinMs)));
  const clients = found.filter((one) => one instanceof RespClient);
  const silent = found.filter((one): one is Silent => !(one instanceof RespClient));
  if (clients.length === 0) throw silence(silent);
  return { clients, silence: silent.length === 0 ? null : silence(silent) };
}

interface Silent {
  readonly address: Address;
  readonly reason: string;
}

async function dial(address: Address, withinMs: number): Promise<RespClient | Silent> {
  try {
    const client = await RespClient.connect(address, withinMs);
    // A stopped process takes connections too.
    await client.send(["PING"], withinMs);
    return client;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { address, reason: error.reason };
  }
}

/** Addresses with the same reason stand together. */
function silence(silent: readonly Silent[]): NoAnswer {
  const reasons = new Map<string, string[]>();
  for (const { address, reason } of silent) {
    reasons.set(reason, [...(reasons.get(reason) ?? []), showAddress(address)]);
  }
  const text = [...reasons].map(([reason, at]) => `${at.join(", ")}: ${reason}`).join("; ");
  return new NoAnswer(`${text}; --connect says where servers are`, text);
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
