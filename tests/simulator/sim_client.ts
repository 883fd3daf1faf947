/**
 * A client of the simulated world: one connection, RESP over bytes, answers in the order of the requests.
 *
 * @module
 */
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import { errorReply, NULL, OK, type Reply } from "../../internal/codec/reply.ts";
import type { Clock } from "../../internal/platform/clock.ts";
import type { Connection, Network } from "../../internal/platform/network.ts";

/** What becomes of a request: a reply, or `null` where the connection is gone. */
export type Answered = (reply: Reply | null) => void;

const NOTHING = new Uint8Array(0);

/** A dial that has no answer after this long is given up. */
const DIAL_MS = 1500;

export class SimClient {
  readonly #connection: Connection;
  readonly #waiting: Answered[] = [];
  #buffer: Uint8Array = NOTHING;
  #outbox: Uint8Array[] = [];
  #isOpen = false;
  isClosed = false;
  readonly host: string;

  constructor(network: Network, clock: Clock, host: string, port: number) {
    this.host = host;
    const deadline = clock.wakeAt(clock.now() + DIAL_MS, () => this.close());
    this.#connection = network.connect({ host, port });
    this.#connection.listen({
      onOpen: () => {
        deadline.cancel();
        this.#isOpen = true;
        for (const bytes of this.#outbox.splice(0)) this.#connection.write(bytes);
      },
      onData: (chunk) => this.#received(chunk),
      onEnd: () => this.close(),
      onDrain: () => {},
      onClose: () => this.#gone(),
    });
  }

  /** Sends commands together; each is answered once. */
  send(commands: readonly (readonly string[])[], answered: readonly Answered[]): void {
    if (this.isClosed) return answered.forEach((answer) => answer(null));
    let text = "";
    for (const words of commands) {
      text += `*${words.length}\r\n`;
      for (const word of words) text += `$${word.length}\r\n${word}\r\n`;
    }
    this.#waiting.push(...answered);
    const bytes = bytesOfLatin1(text);
    if (this.#isOpen) this.#connection.write(bytes);
    else this.#outbox.push(bytes);
  }

  /** Goes away; whoever waits never learns. */
  close(): void {
    this.#connection.close();
    this.#gone();
  }

  #gone(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const answer of this.#waiting.splice(0)) answer(null);
  }

  #received(chunk: Uint8Array): void {
    if (this.isClosed) return;
    this.#buffer = this.#buffer.length === 0 ? chunk : joined(this.#buffer, chunk);
    let at = 0;
    while (this.#waiting.length > 0) {
      const parsed = parse(this.#buffer, at);
      if (parsed === null) break;
      at = parsed.end;
      this.#waiting.shift()?.(parsed.reply);
    }
    if (at === this.#buffer.length) this.#buffer = NOTHING;
    else if (at > 0) this.#buffer = this.#buffer.slice(at);
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(one.length + other.length);
  bytes.set(one);
  bytes.set(other, one.length);
  return bytes;
}

/** The reply that begins at `at`, if it is there whole; the kinds that the world's commands have. */
function parse(bytes: Uint8Array, at: number): { readonly reply: Reply; readonly end: number } | null {
  const lineEnd = bytes.indexOf(10, at);
  if (lineEnd < 0) return null;
  const end = lineEnd + 1;
  const line = latin1Of(bytes.subarray(at, lineEnd - 1));
  const rest = line.slice(1);
  switch (line[0]) {
    case "+":
      return { reply: rest === "OK" ? OK : { type: "simple", text: rest }, end };
    case "-":
      return { reply: errorReply(rest), end };
    case ":":
      return { reply: { type: "integer", value: Number(rest) }, end };
    case "$": {
      const length = Number(rest);
      if (length < 0) return { reply: NULL, end };
      if (bytes.length < end + length + 2) return null;
      return { reply: { type: "bulk", bytes: bytes.slice(end, end + length) }, end: end + length + 2 };
    }
    default:
      throw new Error(`a reply begins with ${JSON.stringify(line)}`);
  }
}
