/**
 * The clients' room between hands: its network is a list of connections that a test speaks on, its cluster a list of commands that a
 * test answers.
 *
 * Texts have one character per byte.
 *
 * @module
 */
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import type {
  Backend,
  CommandOrder,
  NodeStatus,
  ReadMode,
  ReplySlot,
} from "../../internal/clients/backend.ts";
import type { SnapshotName } from "../../internal/codec/bulk_message.ts";
import { ClientListener } from "../../internal/clients/client_listener.ts";
import { type ClientLimits, defaultClientLimits } from "../../internal/clients/limits.ts";
import { decodeCommand } from "../../internal/codec/command.ts";
import { type CommandBatch, decodeCommandBatch } from "../../internal/codec/command_batch.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import type {
  Connection,
  ConnectionEvents,
  Listener,
  ListenerEvents,
  Network,
} from "../../internal/platform/network.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";

/** The server's end of a connection, and what the client at the other end does. */
export class FakeConnection implements Connection {
  readonly remote: string;
  readonly #clock: LifeClock;
  #events: ConnectionEvents | null = null;
  bytesQueued = 0;
  /** Whether the client takes what is written; if not, it queues up. */
  takes = true;
  paused = false;
  ends = 0;
  closed = false;
  writes: string[] = [];
  /** What was written and waits, as it was given. */
  readonly kept: Uint8Array[] = [];

  constructor(remote: string, clock: LifeClock) {
    this.remote = remote;
    this.#clock = clock;
  }

  listen(events: ConnectionEvents): void {
    if (this.#events !== null) throw new Error("Somebody listens already");
    this.#events = events;
  }

  write(bytes: Uint8Array): void {
    if (this.closed) return;
    if (this.ends > 0) throw new Error("A write after the end");
    this.writes.push(latin1Of(bytes));
    if (this.takes) return;
    this.bytesQueued += bytes.length;
    this.kept.push(bytes);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    if (!this.closed) this.ends++;
  }

  close(): void {
    this.breaks("we closed the connection");
  }

  /** The client says something. */
  says(text: string): this {
    this.#events?.onData(bytesOfLatin1(text));
    return this;
  }

  /** The client ends its side. */
  saysNoMore(): this {
    this.#events?.onEnd();
    return this;
  }

  /** The client takes everything that queued up. */
  drain(): this {
    this.bytesQueued = 0;
    this.#events?.onDrain();
    return this;
  }

  /** The connection is gone, as its user will hear in a moment. */
  breaks(reason = "connection reset"): void {
    if (this.closed) return;
    this.closed = true;
    this.#clock.soon(() => this.#events?.onClose(reason));
  }

  /** Everything that was written so far. */
  get heard(): string {
    return this.writes.join("");
  }

  /** Takes what was written since the last look. */
  take(): string {
    const heard = this.heard;
    this.writes = [];
    return heard;
  }
}

export interface Submitted {
  readonly order: CommandOrder;
  readonly access: "read" | "write";
  readonly command: Uint8Array;
  readonly reads: ReadMode;
  readonly slot: ReplySlot;
  answered: boolean;
}

export const STATUS: NodeStatus = {
  id: "n1",
  clusterId: "c0ffee",
  role: "leader",
  term: 7,
  leaderId: "n1",
  leaderClientAddress: "127.0.0.1:7001",
  commitIndex: 12,
  appliedIndex: 11,
  lastIndex: 13,
  firstIndex: 1,
  snapshotIndex: 10,
  configurationIndex: 9,
  isConfigurationSettled: true,
  isRemoved: false,
  members: [
    {
      id: "n1",
      peerAddress: "h1:7101",
      standing: "voter",
      priority: 100,
      clientAddress: "h1:7001",
      connected: true,
      matchIndex: 13,
    },
    {
      id: "n2",
      peerAddress: "h2:7101",
      standing: "learner",
      priority: 0,
      clientAddress: null,
      connected: false,
      matchIndex: null,
    },
  ],
  keys: 3,
};

/** Lets a test answer the commands of a batch in any order; the batch's slot gets the answers in theirs. */
class BatchSlots {
  readonly #slot: ReplySlot;
  readonly #replies: (Reply | null)[] = [];
  #given = 0;

  constructor(slot: ReplySlot) {
    this.#slot = slot;
  }

  next(): ReplySlot {
    const place = this.#replies.push(null) - 1;
    return { answer: (reply) => this.#answer(place, reply) };
  }

  #answer(place: number, reply: Reply): void {
    // A second answer goes on to the slot, which refuses it.
    if (place < this.#given) return this.#slot.answer(reply);
    this.#replies[place] = reply;
    for (
      let next = this.#replies[this.#given] ?? null;
      next !== null;
      next = this.#replies[this.#given] ?? null
    ) {
      this.#given++;
      this.#slot.answer(next);
    }
  }
}

export class FakeBackend implements Backend {
  readonly machine = new KeyValueMachine();
  readonly submitted: Submitted[] = [];
  /** How many commands were submitted at a time. */
  readonly batches: number[] = [];
  /** Answers a command as it comes; `null` lets it wait. */
  answerer: ((command: Submitted) => void) | null = null;
  orders = 0;
  /** What operators asked. */
  readonly asked: (readonly string[])[] = [];
  age: number | null = 7;

  newOrder(): CommandOrder {
    this.orders++;
    return { tag: "CommandOrder", reads: { kind: "leader" } };
  }

  admin(words: readonly string[], answer: (reply: Reply) => void): void {
    this.asked.push(words);
    answer({ type: "simple", text: `OK ${words.join(" ")}` });
  }

  takeSnapshot(answer: (reply: Reply) => void): void {
    answer({ type: "simple", text: "OK snapshot" });
  }

  prepareBackup(mayBeStale: boolean, answer: (reply: Reply) => void): void {
    answer({ type: "simple", text: `OK backup${mayBeStale ? " stale" : ""}` });
  }

  readBackup(name: SnapshotName, offset: number, length: number, answer: (reply: Reply) => void): void {
    answer({
      type: "simple",
      text: `OK ${name.index}:${name.term} ${name.bytes} ${name.checksum} ${offset}+${length}`,
    });
  }

  answerBytes(bytes: Uint8Array, from: number, to: number): number {
    return this.machine.answerBytesAt(bytes, from, to);
  }

  ageMs(): number | null {
    return this.age;
  }

  submit(
    order: CommandOrder,
    access: "read" | "write",
    batch: CommandBatch,
    slot: ReplySlot,
    reads: ReadMode = order.reads,
  ): void {
    const { bytes, from, to, count } = batch;
    // The batch must be as it was when the command is performed, however late.
    const commands = decodeCommandBatch(bytes.subarray(from, to));
    if (typeof commands === "string" || commands.length !== count || count === 0) {
      throw new Error(`${count} commands were announced, there are ${commands}`);
    }
    this.batches.push(count);
    const slots = new BatchSlots(slot);
    const submitted = commands.map((command): Submitted => {
      return { order, access, command, reads, slot: slots.next(), answered: false };
    });
    this.submitted.push(...submitted);
    for (const one of submitted) this.answerer?.(one);
  }

  status(): NodeStatus {
    return STATUS;
  }

  /** Answers a command as the store does. */
  readonly perform = (submitted: Submitted): void => {
    const { access, command } = submitted;
    this.answer(submitted, access === "write" ? this.machine.apply(command) : this.machine.read(command));
  };

  answer(submitted: Submitted | undefined, reply: Reply): void {
    if (submitted === undefined) throw new Error("There is no such command to answer");
    submitted.answered = true;
    submitted.slot.answer(reply);
  }

  get waiting(): Submitted[] {
    return this.submitted.filter(({ answered }) => !answered);
  }

  /** The first argument of each command so far. */
  get keys(): string[] {
    return this.submitted.map(({ command }) => {
      const decoded = decodeCommand(command);
      return typeof decoded === "string" ? decoded : latin1Of(decoded.args[0] ?? new Uint8Array(0));
    });
  }
}

/** A network to which a test connects by itself. */
class FakeNetwork implements Network {
  events: ListenerEvents | null = null;
  isListening = false;

  listen(_address: unknown, events: ListenerEvents): Listener {
    this.events = events;
    this.isListening = true;
    return { close: () => void (this.isListening = false) };
  }

  connect(): Connection {
    throw new Error("The clients' room dials nobody");
  }
}

export class ClientStage {
  readonly time = new VirtualTime();
  readonly clock = new LifeClock(this.time);
  readonly backend = new FakeBackend();
  readonly listener: ClientListener;
  readonly traces: string[] = [];
  readonly #network = new FakeNetwork();
  #clients = 0;

  constructor(limits: Partial<ClientLimits> = {}) {
    this.listener = new ClientListener({
      network: this.#network,
      clock: this.clock,
      trace: {
        event: (level, event, fields) => this.traces.push(`${level}: ${event}: ${fields?.["reason"]}`),
      },
      backend: this.backend,
      limits: { ...defaultClientLimits, ...limits },
      host: { version: "1.2.3", runtime: "test", processId: 42, port: 7001, memoryBytes: () => 1000 },
    });
    this.listener.start({ host: "127.0.0.1", port: 7001 }, {
      onListening: () => {},
      onListenError: (error) => {
        throw error;
      },
    });
  }

  get isListening(): boolean {
    return this.#network.isListening;
  }

  /** Somebody connects. */
  connect(): FakeConnection {
    const connection = new FakeConnection(`10.0.0.${++this.#clients}:5000`, this.clock);
    this.#network.events?.onConnection(connection);
    return connection;
  }

  /** Lets time pass; everything that is due by then runs. */
  pass(ms = 0): this {
    const until = this.time.now + ms;
    while (this.time.step(until));
    this.time.now = until;
    return this;
  }

  /** One line to a client of its own, and all that comes back. */
  ask(line: string): string {
    const connection = this.connect();
    connection.says(`${line}\r\n`);
    this.pass();
    connection.breaks();
    this.pass();
    return connection.take();
  }
}

/** A command as clients send it. */
export function request(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

/** A bulk reply. */
export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** The reply to a read that found this. */
export function found(text: string): Reply {
  return { type: "bulk", bytes: bytesOfLatin1(text) };
}
