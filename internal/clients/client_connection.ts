/**
 * One client.
 *
 * Commands that only hand their arguments to the store are packed one behind another as they are read, and submitted together: one
 * of the other kind, one that must be planned, or the end of what arrived ends the batch.
 *
 * Keeps true:
 *  1. Answers leave in the order of the requests; all answers of one turn leave in one write.
 *  2. A client that does not read is not read from; one that lets its answers pile up is cut off, and harms nobody else. What its
 *     commands will be answered is counted before they are asked, as far as it can be known, so that no more of it is under way than
 *     may wait.
 *  3. What was received whole before the client ended its side is answered before we end ours.
 *  4. A stream that is no protocol gets one error and is closed.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { CommandPacker } from "../codec/command_batch.ts";
import { errorReply, type Reply } from "../codec/reply.ts";
import { ProtocolError, RequestDecoder } from "../codec/resp_request.ts";
import type { ReplyMemory } from "../codec/reply_memory.ts";
import { ReplyWriter } from "../codec/resp_reply.ts";
import type { Clock } from "../platform/clock.ts";
import type { Connection } from "../platform/network.ts";
import type { Backend, CommandOrder, NodeStatus, ReadMode } from "./backend.ts";
import type { CommandContext, DirectCommand } from "./command_spec.ts";
import { directCommand, planOf } from "./commands.ts";
import type { Cursors } from "./cursors.ts";
import type { HalfSender, HalfSent } from "./half_sent.ts";
import type { ClientLimits } from "./limits.ts";
import type { Pace, PaceShare } from "./pace.ts";
import { ReplyQueue } from "./reply_queue.ts";

/** How long a client has to take the last answers. */
const END_MS = 5000;

/** Commands and bytes that are submitted together; the bytes may be passed by one command. */
const BATCH_COMMANDS_MAX = 128;
const BATCH_BYTES_MAX = 32 * 1024;

/** So many bytes, asked or answered, are as much work as one command. */
const BYTES_OF_A_COMMAND = 1024;

/** What a connection needs of the room. */
export interface ConnectionHome {
  readonly clock: Clock;
  readonly backend: Backend;
  readonly limits: ClientLimits;
  readonly cursors: Cursors;
  /** Shared by all connections: one packs while it reads, and leaves nothing behind. */
  readonly packer: CommandPacker;
  /** Shared by all connections: each writes its answers at the end of a turn. */
  readonly memory: ReplyMemory;
  /** Shared by all connections, so that they leave room for each other and for everybody else. */
  readonly pace: Pace;
  /** Counts what all connections keep of commands that are not complete. */
  readonly halfSent: HalfSent;
  info(sections: readonly string[]): string;
  clientLines(): readonly string[];
  /** Commands were taken. */
  counted(commands: number): void;
  /** The connection is gone. */
  closed(connection: ClientConnection): void;
}

export class ClientConnection implements CommandContext, HalfSender {
  readonly id: number;
  readonly remote: string;
  name = "";
  resp3 = false;
  readonly #home: ConnectionHome;
  readonly #connection: Connection;
  readonly #decoder: RequestDecoder;
  readonly #writer: ReplyWriter;
  readonly #replies: ReplyQueue;
  readonly #order: CommandOrder;
  readonly #share: PaceShare;
  #waitsForPace = false;
  /** Counts its commands. */
  #commands = 0;
  /** Chunks that wait because too much is unanswered or untaken. */
  #chunks: Uint8Array[] = [];
  #paused = false;
  /** About so many bytes will be answered to what is asked and not answered, and to what was answered since nothing was. */
  #expectedBytes = 0;
  #flushes = false;
  readonly #turnEnds = () => {
    this.#flush();
    this.#goOn();
  };
  /** Whether what is packed while reading is reads or writes. */
  #packed: "read" | "write" = "read";
  /** The client ended its side; what it sent before is still read and answered. */
  #peerEnded = false;
  /** No more is read: everything was, or the client said QUIT, or sent nonsense. */
  #ending = false;
  #ended = false;
  #closed = false;

  constructor(id: number, connection: Connection, home: ConnectionHome) {
    this.id = id;
    this.remote = connection.remote;
    this.#home = home;
    this.#connection = connection;
    this.#decoder = new RequestDecoder(home.limits);
    this.#writer = new ReplyWriter(home.memory);
    this.#replies = new ReplyQueue((reply) => this.#give(reply));
    this.#order = home.backend.newOrder();
    this.#share = home.pace.share();
    connection.listen({
      onOpen: () => {},
      onData: (chunk) => this.#received(chunk),
      onEnd: () => {
        this.#peerEnded = true;
        if (!this.#paused) this.#read();
      },
      onDrain: () => this.#goOn(),
      onClose: () => {
        this.#closed = true;
        this.#readNoMore();
        home.closed(this);
      },
    });
  }

  get limits(): ClientLimits {
    return this.#home.limits;
  }

  get cursors(): Cursors {
    return this.#home.cursors;
  }

  info(sections: readonly string[]): string {
    return this.#home.info(sections);
  }

  status(): NodeStatus {
    return this.#home.backend.status();
  }

  setReads(mode: ReadMode): void {
    this.#order.reads = mode;
  }

  ageMs(): number | null {
    return this.#home.backend.ageMs();
  }

  admin(words: readonly string[], answer: (reply: Reply) => void): void {
    this.#home.backend.admin(words, answer);
  }

  takeSnapshot(answer: (reply: Reply) => void): void {
    this.#home.backend.takeSnapshot(answer);
  }

  get backups(): Pick<Backend, "prepareBackup" | "readBackup"> {
    return this.#home.backend;
  }

  clientLines(): readonly string[] {
    return this.#home.clientLines();
  }

  ownLine(): string {
    return `id=${this.id} addr=${this.remote} name=${this.name} resp=${this.resp3 ? 3 : 2} ` +
      `waiting=${this.#replies.waiting} obl=${this.#connection.bytesQueued}`;
  }

  /** Cuts the client off, with a last word. */
  refuse(text: string): void {
    this.#readNoMore();
    this.#give(errorReply(text));
    this.#end();
  }

  /**
   * Sends what was answered so far, and that no more will come. What the client still says is read and thrown away: unread, it would turn the
   * end of the connection into a reset, and the client might lose the answers.
   */
  stop(): void {
    this.#readNoMore();
    this.#connection.resume();
    this.#end();
  }

  #received(chunk: Uint8Array): void {
    if (this.#ending || this.#closed) return;
    if (this.#paused) this.#chunks.push(chunk);
    else {
      this.#decoder.push(chunk);
      this.#read();
    }
  }

  /** Ends the connection behind what was answered, and what is still asked, with a last word. */
  cutOff(text: string): void {
    if (this.#ending || this.#closed) return;
    this.#replies.answerNow(errorReply(text));
    this.#endWhenAnswered();
  }

  /** Takes commands until there are no more, or too many wait. */
  #read(): void {
    this.#takeCommands();
    this.#submitPacked();
    if (this.#ending || this.#closed) return;
    const { halfSent } = this.#home;
    // What waits for us is no slow sender's.
    if (this.#paused) halfSent.forget(this);
    else halfSent.keeps(this, this.#decoder.settle(), this.#commands);
  }

  /** What comes from now on, and what was begun, is thrown away. */
  #readNoMore(): void {
    this.#ending = true;
    this.#chunks = [];
    this.#decoder.abandon("nothing is read any more");
    this.#home.halfSent.forget(this);
  }

  #takeCommands(): void {
    const { limits: { commandsWaitingMax, outputPauseBytes }, packer, pace } = this.#home;
    assert(packer.count === 0, "Whoever read before left nothing behind");
    // What is queued grows when answers are written, which is not before the turn ends.
    const queued = this.#connection.bytesQueued;
    while (!this.#ending && !this.#closed) {
      if (this.#replies.waiting + packer.count === 0) this.#expectedBytes = 0;
      if (
        pace.isOver(this.#share) || this.#replies.waiting + packer.count >= commandsWaitingMax ||
        queued + this.#writer.length + this.#expectedBytes >= outputPauseBytes
      ) {
        if (packer.count === 0) return this.#pause();
        this.#submitPacked();
        continue;
      }
      const count = this.#decoder.scan();
      if (count > 0) {
        const direct = directCommand(this.#decoder, count);
        if (direct === null) this.#take(this.#decoder.words(count));
        else this.#pack(direct, count);
        continue;
      }
      const words = this.#decoder.next();
      if (words === null) {
        const chunk = this.#chunks.shift();
        if (chunk === undefined) {
          if (this.#peerEnded) this.#endWhenAnswered();
          return;
        }
        this.#decoder.push(chunk);
        continue;
      }
      if (words instanceof ProtocolError) {
        this.#submitPacked();
        this.#replies.answerNow(errorReply(`ERR ${words.text}`));
        return this.#endWhenAnswered();
      }
      this.#take(words);
    }
  }

  /** Adds a command to those that will be submitted together. */
  #pack({ access, operation, emptyArguments }: DirectCommand, words: number): void {
    const { packer } = this.#home;
    const { count, length } = packer;
    if (count > 0 && (access !== this.#packed || count >= BATCH_COMMANDS_MAX || length >= BATCH_BYTES_MAX)) {
      this.#submitPacked();
    }
    this.#packed = access;
    packer.add(operation, this.#decoder, 1, words, emptyArguments);
    this.#expect();
  }

  /** Counts what the newest command will be answered. */
  #expect(): void {
    const { packer, backend } = this.#home;
    const bytes = backend.answerBytes(packer.bytes, packer.lastFrom, packer.lastTo);
    if (bytes === 0) return;
    this.#expectedBytes += bytes;
    this.#home.pace.took(this.#share, bytes / BYTES_OF_A_COMMAND);
  }

  /** Submits what was packed, if there is something. */
  #submitPacked(): void {
    const { packer, backend } = this.#home;
    const { count } = packer;
    if (count === 0) return;
    this.#counted(count, packer.length);
    backend.submit(this.#order, this.#packed, packer.take(), this.#replies.slot(count));
  }

  #counted(commands: number, bytes: number): void {
    this.#commands += commands;
    this.#home.counted(commands);
    this.#home.pace.took(this.#share, commands + bytes / BYTES_OF_A_COMMAND);
  }

  #take(words: readonly Uint8Array[]): void {
    this.#submitPacked();
    const { backend, packer } = this.#home;
    this.#counted(1, 0);
    const plan = planOf(words, this);
    switch (plan.kind) {
      case "answer":
        return this.#replies.answerNow(plan.reply);
      case "submit":
        packer.addEncoded(plan.command);
        this.#expect();
        return backend.submit(
          this.#order,
          plan.access,
          packer.take(),
          this.#replies.slot(1, plan.translate),
          plan.reads,
        );
      case "ask": {
        const slot = this.#replies.slot(1);
        return plan.ask((reply) => slot.answer(reply));
      }
      case "close":
        this.#replies.answerNow(plan.reply);
        return this.#endWhenAnswered();
    }
  }

  get #outputBytes(): number {
    return this.#writer.length + this.#connection.bytesQueued;
  }

  #give(reply: Reply): void {
    if (this.#closed || this.#ended) return;
    this.#writer.write(reply, this.resp3);
    if (this.#outputBytes > this.#home.limits.outputBytesMax) return this.#connection.close();
    if (this.#flushes) return;
    this.#flushes = true;
    this.#home.clock.soon(this.#turnEnds);
  }

  #flush(): void {
    this.#flushes = false;
    if (this.#closed || this.#writer.length === 0) return;
    const bytes = this.#writer.take();
    // What will wait in our memory must not keep much more of it than it has.
    const isSmallPart = this.#connection.bytesQueued > 0 && bytes.buffer.byteLength > 2 * bytes.length;
    this.#connection.write(isSmallPart ? bytes.slice() : bytes);
  }

  #pause(): void {
    const { pace } = this.#home;
    if (!this.#waitsForPace && pace.isOver(this.#share)) {
      this.#waitsForPace = true;
      pace.wait(() => {
        this.#waitsForPace = false;
        this.#goOn();
      });
    }
    if (this.#paused) return;
    this.#paused = true;
    this.#connection.pause();
  }

  /** Something was answered, or taken by the client. */
  #goOn(): void {
    if (this.#closed) return;
    if (this.#ending) {
      if (this.#replies.waiting === 0) this.#end();
      return;
    }
    const { commandsWaitingMax, outputPauseBytes } = this.#home.limits;
    if (this.#replies.waiting === 0) this.#expectedBytes = 0;
    if (
      !this.#paused || this.#waitsForPace || this.#expectedBytes >= outputPauseBytes ||
      this.#replies.waiting > commandsWaitingMax / 2 ||
      this.#outputBytes > outputPauseBytes / 2
    ) return;
    this.#paused = false;
    this.#read();
    if (!this.#paused) this.#connection.resume();
  }

  /** Reads no more; ends our side once everything that was read is answered. */
  #endWhenAnswered(): void {
    if (this.#ending) return;
    this.#readNoMore();
    this.#home.clock.soon(() => this.#goOn());
  }

  /** Sends what is left, and ends; whoever does not take it in time is cut off. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#flush();
    this.#connection.end();
    const { clock } = this.#home;
    clock.wakeAt(clock.now() + END_MS, () => this.#connection.close());
  }
}
