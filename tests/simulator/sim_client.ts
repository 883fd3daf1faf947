/**
 * A client of the simulated world: one connection, RESP over bytes, answers in the order of the requests.
 *
 * @module
 */
import { errorReply, NULL, type Reply } from "../../internal/codec/reply.ts";
import type { Connection, Network } from "../../internal/platform/network.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What becomes of a request: a reply, or `null` where the connection is gone. */
export type Answered = (reply: Reply | null) => void;

export class SimClient {
  readonly #connection: Connection;
  readonly #waiting: Answered[] = [];
  #buffer: Uint8Array = new Uint8Array(0);
  #outbox: Uint8Array[] = [];
  #isOpen = false;
  isClosed = false;
  readonly host: string;

  constructor(network: Network, host: string, port: number) {
    this.host = host;
    this.#connection = network.connect({ host, port });
    this.#connection.listen({
      onOpen: () => {
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
    const text = commands.map((words) =>
      `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`
    );
    const bytes = encoder.encode(text.join(""));
    this.#waiting.push(...answered);
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
    const joined = new Uint8Array(this.#buffer.length + chunk.length);
    joined.set(this.#buffer);
    joined.set(chunk, this.#buffer.length);
    this.#buffer = joined;
    let at = 0;
    while (this.#waiting.length > 0) {
      const parsed = parse(this.#buffer, at);
      if (parsed === null) break;
      at = parsed.end;
      this.#waiting.shift()?.(parsed.reply);
    }
    if (at > 0) this.#buffer = this.#buffer.slice(at);
  }
}

/** The reply that begins at `at`, if it is there whole; the kinds that the world's commands have. */
function parse(bytes: Uint8Array, at: number): { readonly reply: Reply; readonly end: number } | null {
  const lineEnd = bytes.indexOf(10, at);
  if (lineEnd < 0) return null;
  const rest = decoder.decode(bytes.subarray(at + 1, lineEnd - 1));
  const end = lineEnd + 1;
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case "+":
      return { reply: { type: "simple", text: rest }, end };
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
      throw new Error(`a reply begins with ${JSON.stringify(decoder.decode(bytes.subarray(at, lineEnd)))}`);
  }
}
