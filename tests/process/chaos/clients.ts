/**
 * Clients that ask for all kinds of things, through the proxy, and put on record what they were told.
 *
 * Keys: `u` keys are written once each, so every acknowledged write can be looked up at the end; `r` are registers, `l` lists and `n` counters that
 * all clients share. What a client draws comes from its own stream.
 *
 * Keeps true: what was sent and has no answer is unknown; only what never left, and what was refused for certain, is a failure.
 *
 * @module
 */
import type { Random } from "../../../internal/base/random.ts";
import { type Answer, ErrorAnswer, type TestClient } from "../client.ts";
import { pause } from "../cluster.ts";
import type { Arena } from "./arena.ts";
import type { History, OperationName, Pending } from "./history.ts";

export interface ClientsOptions {
  readonly arena: Arena;
  readonly history: History;
  readonly random: Random;
  readonly count: number;
  /** Further ones that only read, and stay with one server whatever it does: they are the first to see what is stale. */
  readonly readers: number;
  /** Between an answer and the next request. */
  readonly thinkMs: number;
  /** Before the names of all keys. */
  readonly prefix: string;
}

const ANSWER_MS = 2500;
/** A server that wakes up finds fresh questions in its sockets only if those who ask have not waited for long. */
const READER_ANSWER_MS = 300;
/** So long without an answer for anybody is noted. */
const NOTED_GAP_MS = 2000;
const REGISTERS = 4;
const COUNTERS = 2;
/** A list is left for a new one after so long, so that it stays short. */
const LIST_MS = 1500;

/** What happens is counted between two looks. */
export interface Tally {
  readonly acknowledged: number;
  readonly worstGapMs: number;
}

export class Clients {
  readonly #options: ClientsOptions;
  readonly #loops: Promise<void>[] = [];
  readonly #startedAt = performance.now();
  #isRunning = true;
  #acknowledged = 0;
  #lastAt = performance.now();
  #worstGapMs = 0;
  /** Answers that nobody expects. */
  readonly surprises: string[] = [];

  constructor(options: ClientsOptions) {
    this.#options = options;
    for (let i = 0; i < options.count; i++) this.#loops.push(this.#run(i));
    for (let i = 0; i < options.readers; i++) this.#loops.push(this.#read(options.count + i));
  }

  /** Operations acknowledged since the last tally. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** The longest time without an acknowledged operation since the last tally. */
  get worstGapMs(): number {
    return Math.max(this.#worstGapMs, this.#isRunning ? performance.now() - this.#lastAt : 0);
  }

  /** Operations acknowledged, and the longest time without one, since the last call. */
  tally(): Tally {
    const tally = { acknowledged: this.#acknowledged, worstGapMs: this.worstGapMs };
    this.#acknowledged = 0;
    this.#worstGapMs = 0;
    this.#lastAt = performance.now();
    return tally;
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#loops);
  }

  async #run(number: number): Promise<void> {
    const { arena, random, thinkMs } = this.#options;
    const own = random.fork(`client/${number}`);
    let at = number % arena.ids.length;
    const held: { connection: TestClient | null } = { connection: null };
    for (let i = 0; this.#isRunning; i++) {
      held.connection ??= await this.#connect(at);
      const outcome = held.connection === null ? "moved" : await this.#ask(held.connection, number, own, i);
      if (outcome !== "fine") await pause(own.between(5, 30));
      // Whoever is refused may stay or try somebody else; whoever lost its connection moves on.
      if (outcome === "moved" || outcome === "refused" && own.chance(1, 3)) {
        held.connection?.close();
        held.connection = null;
        at = (at + 1) % arena.ids.length;
      }
      await pause(own.between(0, 2 * thinkMs));
    }
    held.connection?.close();
  }

  /** A client that only reads. */
  async #read(number: number): Promise<void> {
    const { arena, history, random, thinkMs } = this.#options;
    const own = random.fork(`reader/${number}`);
    const held: { connection: TestClient | null } = { connection: null };
    while (this.#isRunning) {
      held.connection ??= await this.#connect(number % arena.ids.length);
      if (held.connection !== null) {
        const pending = history.invoke(number, "get", this.#sharedKey(own));
        try {
          const answer = await held.connection.within(
            READER_ANSWER_MS,
            held.connection.send("GET", pending.key),
          );
          this.#settle(pending, "get", answer);
        } catch {
          // The same server is asked again, by a new connection.
          held.connection.close();
          held.connection = null;
        }
      }
      await pause(own.between(0, 2 * thinkMs));
    }
    held.connection?.close();
  }

  #sharedKey(random: Random): string {
    const { prefix } = this.#options;
    const kind = random.below(10);
    if (kind < 6) return `${prefix}r${random.below(REGISTERS)}`;
    return kind < 8 ? this.#list() : `${prefix}n${random.below(COUNTERS)}`;
  }

  /** The list of the moment. */
  #list(): string {
    return `${this.#options.prefix}l${Math.floor((performance.now() - this.#startedAt) / LIST_MS)}`;
  }

  async #connect(at: number): Promise<TestClient | null> {
    const { arena } = this.#options;
    try {
      return await arena.client(arena.ids[at] ?? "n1");
    } catch {
      // Nobody there: nothing was asked, and the next server is tried.
      return null;
    }
  }

  async #ask(
    connection: TestClient,
    client: number,
    random: Random,
    i: number,
  ): Promise<"fine" | "refused" | "moved"> {
    const { history } = this.#options;
    const [op, key, arg] = this.#draw(client, random, i);
    const pending = history.invoke(client, op, key, arg);
    try {
      const words = arg === null ? [op, key] : [op, key, arg];
      return this.#settle(pending, op, await connection.within(ANSWER_MS, connection.send(...words)));
    } catch {
      // No answer, or no connection any more: what became of it is not known, and stays so on record.
      return "moved";
    }
  }

  #draw(
    client: number,
    random: Random,
    i: number,
  ): readonly [op: OperationName, key: string, arg: string | null] {
    const { prefix } = this.#options;
    const kind = random.below(100);
    const token = `<${client}.${i}>`;
    if (kind < 30) return ["set", `${prefix}u${client}.${i}`, `u${token}`];
    const register = `${prefix}r${random.below(REGISTERS)}`;
    if (kind < 45) return ["set", register, token];
    if (kind < 60) return ["get", register, null];
    const list = this.#list();
    if (kind < 73) return ["append", list, token];
    if (kind < 80) return ["get", list, null];
    const counter = `${prefix}n${random.below(COUNTERS)}`;
    return kind < 93 ? ["incr", counter, null] : ["get", counter, null];
  }

  #settle(pending: Pending, op: OperationName, answer: Answer): "fine" | "refused" {
    if (answer instanceof ErrorAnswer) {
      if (answer.text.startsWith("UNKNOWN ")) return "refused";
      if (!/^(?:NOLEADER|BUSY) /.test(answer.text)) this.surprises.push(`${op} was answered ${answer.text}`);
      pending.fail();
      return "refused";
    }
    const isExpected = op === "set"
      ? answer === "OK"
      : op === "get"
      ? answer === null || typeof answer === "string"
      : typeof answer === "number";
    if (!isExpected) this.surprises.push(`${op} was answered ${JSON.stringify(answer)}`);
    pending.ok(answer === null ? null : String(answer));
    const now = performance.now();
    this.#acknowledged++;
    const gapMs = now - this.#lastAt;
    if (gapMs > NOTED_GAP_MS) {
      this.#options.arena.note(`clients are served again after ${gapMs.toFixed(0)} ms`);
    }
    this.#worstGapMs = Math.max(this.#worstGapMs, gapMs);
    this.#lastAt = now;
    return "fine";
  }
}
