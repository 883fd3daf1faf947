/**
 * ZooKeeper's protocol: length-prefixed records. Keys are children of one node; a fill creates them.
 *
 * A read alone may be old there; a `sync` before it, in the same write, is as near as it comes to a linearizable one.
 *
 * @module
 */
import {
  bytesOf,
  Cutter,
  EMPTY_KEY,
  joined,
  Outbox,
  putKey,
  valueOf,
  type Wire,
  type WireEnds,
  type WirePlan,
} from "./wire.ts";

enum Operation {
  create = 1,
  getData = 4,
  setData = 5,
  sync = 9,
}

export const ZOOKEEPER_PARENT = "/bench";
const NODE_EXISTS = -110;
const SESSION_MS = 60_000;
/** The number of requests whose answers are passed over. */
const UNHEARD = 0;
const HEARD = 1;

function word(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function long(value: number): Uint8Array {
  return joined(word(0), word(value));
}

function counted(bytes: Uint8Array): Uint8Array {
  return joined(word(bytes.length), bytes);
}

function text(value: string): Uint8Array {
  return counted(bytesOf(value));
}

function request(number: number, operation: Operation, ...parts: readonly Uint8Array[]): Uint8Array {
  return counted(joined(word(number), word(operation), ...parts));
}

/** Everybody may do everything. */
const OPEN_TO_ALL = joined(word(1), word(31), text("world"), text("anyone"));

/** Creates a node. */
function creation(path: string, data: Uint8Array): Uint8Array {
  return request(HEARD, Operation.create, text(path), counted(data), OPEN_TO_ALL, word(0));
}

export class ZookeeperWire implements Wire {
  readonly #ends: WireEnds;
  readonly #outbox: Outbox;
  readonly #cutter: Cutter;
  readonly #request: Uint8Array;
  /** Where the digits of the key end, at each place. */
  readonly #keyEnds: readonly number[];
  readonly #makesParent: boolean;
  #isOpen = false;
  #isReady = false;

  constructor(plan: WirePlan, ends: WireEnds) {
    this.#ends = ends;
    this.#outbox = new Outbox((bytes) => ends.write(bytes));
    this.#cutter = new Cutter(
      4,
      (header) => 4 + new DataView(header.buffer, header.byteOffset).getUint32(0),
      (answer) => this.#take(answer),
    );
    const path = `${ZOOKEEPER_PARENT}/${EMPTY_KEY}`;
    this.#makesParent = plan.work === "fill" && plan.connection === 0;
    if (plan.work === "fill") this.#request = creation(path, valueOf(plan));
    else if (plan.work === "set") {
      this.#request = request(HEARD, Operation.setData, text(path), counted(valueOf(plan)), word(-1));
    } else {
      this.#request = joined(
        request(UNHEARD, Operation.sync, text(path)),
        request(HEARD, Operation.getData, text(path), Uint8Array.of(0)),
      );
    }
    const pathEnd = 16 + path.length;
    this.#keyEnds = plan.work === "get" ? [pathEnd, 2 * pathEnd] : [pathEnd];
  }

  opened(): void {
    const password = counted(new Uint8Array(16));
    this.#outbox.add(
      counted(joined(word(0), long(0), word(SESSION_MS), long(0), password, Uint8Array.of(0))),
    );
    this.#outbox.flush();
  }

  ask(key: number): void {
    const room = this.#outbox.room(this.#request.length);
    room.set(this.#request);
    for (const end of this.#keyEnds) putKey(room, end, key);
  }

  flush(): void {
    this.#outbox.flush();
  }

  received(chunk: Uint8Array): void {
    this.#cutter.push(chunk);
  }

  #take(answer: Uint8Array): void {
    const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
    if (!this.#isOpen) {
      this.#isOpen = true;
      // The answer to the opening has no number.
      if (!this.#makesParent) return this.#becomeReady();
      this.#outbox.add(creation(ZOOKEEPER_PARENT, new Uint8Array(0)));
      return this.#outbox.flush();
    }
    const error = view.getInt32(16);
    if (!this.#isReady) return this.#becomeReady();
    if (view.getInt32(4) !== HEARD) return;
    this.#ends.answered(error === 0 || error === NODE_EXISTS ? null : `error ${error}`);
  }

  #becomeReady(): void {
    this.#isReady = true;
    this.#ends.ready();
  }
}
