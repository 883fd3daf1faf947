/**
 * Redis's protocol: raftline and Redis itself.
 *
 * @module
 */
import { ReplyCounter } from "../../../cmd/bench_load.ts";
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

export class RespWire implements Wire {
  readonly #ends: WireEnds;
  readonly #outbox: Outbox;
  readonly #request: Uint8Array;
  readonly #keyEnd: number;
  readonly #replies = new ReplyCounter();

  constructor(plan: WirePlan, ends: WireEnds) {
    this.#ends = ends;
    this.#outbox = new Outbox((bytes) => ends.write(bytes));
    const head = plan.work === "get" ? "*2\r\n$3\r\nGET\r\n" : "*3\r\n$3\r\nSET\r\n";
    const key = `$${KEY_BYTES}\r\n${EMPTY_KEY}\r\n`;
    const value = plan.work === "get"
      ? ""
      : `$${plan.valueBytes}\r\n${new TextDecoder().decode(valueOf(plan))}\r\n`;
    this.#request = bytesOf(head + key + value);
    this.#keyEnd = head.length + key.length - 2;
  }

  opened(): void {
    this.#ends.ready();
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
    this.#replies.push(chunk, (error) => this.#ends.answered(error));
  }
}
