/**
 * One connection of `raftline bench`: keeps so many commands under way.
 *
 * The load shares the machine with the servers that it measures, so it does little: requests are copied from one prepared piece into one
 * buffer, only the digits of the key are written anew, and answers are passed over, not read.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { latin1Of } from "../internal/base/latin1.ts";
import { type Random, SeededRandom } from "../internal/base/random.ts";
import type { Address } from "../internal/platform/network.ts";
import type { Histogram } from "./histogram.ts";
import { encodeRequest } from "./resp_client.ts";

export interface LoadPlan {
  readonly pipeline: number;
  readonly valueBytes: number;
  /** How many of `sets + gets` commands write. */
  readonly sets: number;
  readonly gets: number;
  readonly keys: number;
  readonly seed: string;
}

/** What all connections together saw. */
export interface Tally {
  /** Commands that were answered, and not with an error; the latencies are theirs. */
  operations: number;
  readonly latency: Histogram;
  /** Error replies by their first word. */
  readonly errors: Map<string, number>;
  /** Connections that ended early. */
  lost: number;
}

const KEY_DIGITS = 12;
/** What a request needs besides its value, at most. */
export const REQUEST_OVERHEAD_BYTES = 64;

/**
 * The requests of one connection, in one buffer that is made once.
 *
 * Keeps true: what was taken stays as it is until it is answered, as long as no more than `pipeline` requests wait for an answer.
 */
export class RequestRing {
  readonly #random: Random;
  readonly #plan: LoadPlan;
  readonly #set: Uint8Array;
  readonly #get: Uint8Array;
  /** Where the digits of the key end in either kind. */
  readonly #keyEnd: number;
  /** Twice as long as all that can wait: where it begins anew, what lies there was answered. */
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(plan: LoadPlan, random: Random) {
    this.#plan = plan;
    this.#random = random;
    const key = `key:${"0".repeat(KEY_DIGITS)}`;
    const value = new Uint8Array(plan.valueBytes).map(() => 97 + random.below(26));
    this.#set = encodeRequest(["SET", key, value]);
    this.#get = encodeRequest(["GET", key]);
    this.#keyEnd = latin1Of(this.#get).indexOf(key) + key.length;
    const longest = plan.sets > 0 ? Math.max(this.#set.length, this.#get.length) : this.#get.length;
    this.#bytes = new Uint8Array(2 * plan.pipeline * longest);
  }

  /** So many new requests, in one piece. */
  take(count: number): Uint8Array {
    const { sets, gets, keys } = this.#plan;
    const bytes = this.#bytes;
    const room = count * (sets > 0 ? this.#set.length : this.#get.length);
    if (this.#at + room > bytes.length) this.#at = 0;
    const from = this.#at;
    let at = from;
    for (let i = 0; i < count; i++) {
      const isSet = gets === 0 || (sets > 0 && this.#random.below(sets + gets) < sets);
      const request = isSet ? this.#set : this.#get;
      bytes.set(request, at);
      let digit = at + this.#keyEnd;
      for (let key = this.#random.below(keys); key > 0;) {
        const tenth = Math.floor(key / 10);
        bytes[--digit] = 48 + key - tenth * 10;
        key = tenth;
      }
      at += request.length;
    }
    this.#at = at;
    return bytes.subarray(from, at);
  }
}

const LF = 10;
const DASH = 45;

/** Counts the replies of a byte stream, however it is cut, and keeps nothing of them but a line that is not whole. */
export class ReplyCounter {
  /** Bytes of a text that are still to come, its line end too. */
  #skip = 0;
  #line = "";

  /**
   * Takes a chunk; `onReply` hears of each reply that ends in it: the text of an error, or `null`.
   *
   * @throws {Error} where the stream holds something else than what SET and GET are answered with
   */
  push(chunk: Uint8Array, onReply: (error: string | null) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - at);
        at += skipped;
        this.#skip -= skipped;
        if (this.#skip === 0) onReply(null);
        continue;
      }
      // "+OK" in one piece, the answer to a SET.
      if (chunk[at] === 43 && chunk[at + 4] === LF && this.#line === "") {
        at += 5;
        onReply(null);
        continue;
      }
      const lineEnd = chunk.indexOf(LF, at);
      this.#line += latin1Of(chunk.subarray(at, lineEnd < 0 ? chunk.length : lineEnd));
      if (lineEnd < 0) return;
      at = lineEnd + 1;
      const line = this.#line;
      this.#line = "";
      this.#take(line, onReply);
    }
  }

  /** A line without its line feed. */
  #take(line: string, onReply: (error: string | null) => void): void {
    const first = line.charCodeAt(0);
    if (/^\$\d{1,10}\r$/.test(line)) this.#skip = Number(line.slice(1, -1)) + 2;
    else if (first === DASH) onReply(line.slice(1, -1));
    else if (line === "$-1\r" || line === "_\r" || first === 43) onReply(null);
    else throw new Error(`Cannot read the reply: it begins with ${JSON.stringify(line.slice(0, 16))}`);
  }
}

export class Load {
  readonly #plan: LoadPlan;
  readonly #tally: Tally;
  readonly #socket: Socket;
  readonly #requests: RequestRing;
  readonly #replies = new ReplyCounter();
  /** When each command that waits was sent, in a ring: the oldest stands at `#oldest`. */
  readonly #sentAt: Float64Array;
  #oldest = 0;
  #newest = 0;
  #waiting = 0;
  #stopped = false;
  /** Settles when the connection is there, or will never be. */
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;

  constructor(plan: LoadPlan, tally: Tally, address: Address, number: number) {
    this.#plan = plan;
    this.#tally = tally;
    this.#requests = new RequestRing(plan, new SeededRandom(`${plan.seed}/${number}`));
    this.#sentAt = new Float64Array(plan.pipeline);
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    this.#socket = socket;
    this.ended = new Promise((resolve) =>
      socket.on("close", () => {
        if (!this.#stopped) tally.lost++;
        resolve();
      })
    );
    this.ready = Promise.race([new Promise<void>((resolve) => socket.on("connect", resolve)), this.ended]);
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    // What went wrong is told by the count of lost connections; `close` follows.
    socket.on("error", () => {});
  }

  start(): void {
    if (!this.#socket.destroyed) this.#send(this.#plan.pipeline);
  }

  stop(): void {
    this.#stopped = true;
    this.#socket.destroy();
  }

  #send(count: number): void {
    const now = performance.now();
    const { pipeline } = this.#plan;
    for (let i = 0; i < count; i++) {
      this.#sentAt[this.#newest] = now;
      this.#newest = this.#newest + 1 === pipeline ? 0 : this.#newest + 1;
    }
    this.#waiting += count;
    this.#socket.write(this.#requests.take(count));
  }

  #received(chunk: Uint8Array): void {
    if (this.#stopped) return;
    const { latency } = this.#tally;
    const { pipeline } = this.#plan;
    const now = performance.now();
    let count = 0;
    // Commands of one batch took the same time: they are counted together.
    let batchAt = 0;
    let batch = 0;
    const answered = (error: string | null) => {
      // A server that is full says so unasked.
      if (this.#waiting === 0) return this.#failed(error ?? "unasked");
      this.#waiting--;
      count++;
      const sentAt = this.#sentAt[this.#oldest] ?? now;
      this.#oldest = this.#oldest + 1 === pipeline ? 0 : this.#oldest + 1;
      if (error !== null) return this.#failed(error);
      if (sentAt !== batchAt && batch > 0) {
        latency.add((now - batchAt) * 1000, batch);
        batch = 0;
      }
      batchAt = sentAt;
      batch++;
      this.#tally.operations++;
    };
    try {
      this.#replies.push(chunk, answered);
    } catch {
      // Whoever answers like that is no server of ours; its connection counts as lost.
      this.#failed("PROTOCOL");
      this.#socket.destroy();
      return;
    }
    if (batch > 0) latency.add((now - batchAt) * 1000, batch);
    if (count > 0) this.#send(count);
  }

  #failed(text: string): void {
    const word = text.split(" ")[0] ?? "";
    this.#tally.errors.set(word, (this.#tally.errors.get(word) ?? 0) + 1);
  }
}
