/**
 * NATS's protocol: a put into a key-value bucket of JetStream is a message with an answer, a get asks the leader of its stream for the last one.
 *
 * The leader answers a get from its own state and does not ask the others whether it still leads, so it is not linearizable.
 *
 * @module
 */
import {
  bytesOf,
  EMPTY_KEY,
  KEY_BYTES,
  Outbox,
  putKey,
  valueOf,
  type Wire,
  type WireEnds,
  type WirePlan,
} from "./wire.ts";

const LF = 10;

/** Keys may not have a colon there. */
const KEY_TEXT = EMPTY_KEY.replace(":", "_");
export const NATS_BUCKET = "bench";

export class NatsWire implements Wire {
  readonly #ends: WireEnds;
  readonly #outbox: Outbox;
  readonly #inbox: string;
  readonly #request: Uint8Array;
  readonly #keyEnd: number;
  #line = "";
  /** Bytes of a message that are still to come. */
  #skip = 0;
  #body = "";
  #isOpen = false;

  constructor(plan: WirePlan, ends: WireEnds) {
    this.#ends = ends;
    this.#outbox = new Outbox((bytes) => ends.write(bytes));
    this.#inbox = `_INBOX.${plan.connection}.${Math.floor(Math.random() * 2 ** 32)}`;
    const subject = `$KV.${NATS_BUCKET}.${KEY_TEXT}`;
    if (plan.work === "get") {
      const body = `{"last_by_subj":"${subject}"}`;
      const head = `PUB $JS.API.STREAM.MSG.GET.KV_${NATS_BUCKET} ${this.#inbox} ${body.length}\r\n`;
      this.#request = bytesOf(`${head}${body}\r\n`);
      this.#keyEnd = head.length + body.length - 2;
    } else {
      const value = new TextDecoder().decode(valueOf(plan));
      const head = `PUB ${subject}`;
      this.#request = bytesOf(`${head} ${this.#inbox} ${plan.valueBytes}\r\n${value}\r\n`);
      this.#keyEnd = head.length;
    }
    if (KEY_TEXT.length !== KEY_BYTES) throw new Error("Keys are of one length");
  }

  opened(): void {
    const options = { verbose: false, pedantic: false, lang: "ts", version: "1", headers: true };
    this.#outbox.add(bytesOf(`CONNECT ${JSON.stringify(options)}\r\nSUB ${this.#inbox} 1\r\nPING\r\n`));
    this.#outbox.flush();
  }

  ask(key: number): void {
    const room = this.#outbox.room(this.#request.length);
    room.set(this.#request);
    putKey(room, this.#keyEnd, key);
  }

  flush(): void {
    this.#outbox.flush();
  }

  received(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#skip > 0) {
        const part = Math.min(this.#skip, chunk.length - at);
        // An error stands at the beginning of an answer.
        if (this.#body.length < 256) this.#body += textOf(chunk, at, at + Math.min(part, 256));
        at += part;
        this.#skip -= part;
        if (this.#skip === 0) this.#answered();
        continue;
      }
      const end = chunk.indexOf(LF, at);
      this.#line += textOf(chunk, at, end < 0 ? chunk.length : end);
      if (end < 0) return;
      at = end + 1;
      const line = this.#line;
      this.#line = "";
      this.#take(line);
    }
  }

  #take(line: string): void {
    if (line.startsWith("MSG ") || line.startsWith("HMSG ")) {
      this.#skip = Number(line.slice(line.lastIndexOf(" ") + 1)) + 2;
      this.#body = "";
    } else if (line.startsWith("PING")) {
      this.#outbox.add(bytesOf("PONG\r\n"));
      this.#outbox.flush();
    } else if (line.startsWith("PONG") && !this.#isOpen) {
      this.#isOpen = true;
      this.#ends.ready();
    } else if (line.startsWith("-ERR")) this.#ends.answered(line);
  }

  #answered(): void {
    this.#ends.answered(this.#body.includes('"error":') ? this.#body : null);
  }
}

function textOf(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}
