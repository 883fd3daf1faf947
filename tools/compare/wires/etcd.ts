/**
 * etcd's protocol: gRPC, which is protobuf over HTTP/2 without TLS. A put, or a linearizable range of one key.
 *
 * Each connection asks as etcd's own clients do: one stream for a call, header fields named once and by their number from then on. What
 * is asked of the server is that it names none of its own by number, so that answers can be passed over. An answer is a
 * data frame and then the end of the stream; an end without data is an error.
 *
 * Sources: RFC 9113 (frames, flow control), RFC 7541 (header fields), gRPC over HTTP2 (five bytes before each message),
 * rpc.proto of etcd 3.4.
 *
 * @module
 */
import {
  bytesOf,
  Cutter,
  EMPTY_KEY,
  joined,
  KEY_BYTES,
  Outbox,
  putKey,
  valueOf,
  type Wire,
  type WireEnds,
  type WirePlan,
} from "./wire.ts";

const FRAME_HEADER_BYTES = 9;
const FRAME_BYTES_MAX = 16_384;
const GRPC_HEADER_BYTES = 5;
const WINDOW_BYTES = 2 ** 31 - 1;
/** Windows are as large as that before anybody says otherwise. */
const FIRST_WINDOW_BYTES = 65_535;
/** What the server may send is renewed each time that so much was received. */
const RENEW_BYTES = 2 ** 28;

enum Kind {
  data = 0,
  headers = 1,
  reset = 3,
  settings = 4,
  ping = 6,
  goAway = 7,
  windowUpdate = 8,
}

const END_STREAM = 1;
const END_HEADERS = 4;
const ACK = 1;

enum Setting {
  headerTableSize = 1,
  enablePush = 2,
  initialWindowSize = 4,
}

function frameOf(kind: Kind, flags: number, stream: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  putFrameHeader(frame, body.length, kind, flags, stream);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

function putFrameHeader(frame: Uint8Array, length: number, kind: Kind, flags: number, stream: number): void {
  frame[0] = length >>> 16;
  frame[1] = length >>> 8;
  frame[2] = length;
  frame[3] = kind;
  frame[4] = flags;
  frame[5] = stream >>> 24;
  frame[6] = stream >>> 16;
  frame[7] = stream >>> 8;
  frame[8] = stream;
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function setting(name: Setting, value: number): Uint8Array {
  return joined(Uint8Array.of(0, name), word(value));
}

/** A header field that the server is to remember; the name by its number in the static table, or spelt out. */
function remembered(name: number | string, value: string): Uint8Array {
  const head = typeof name === "number"
    ? Uint8Array.of(0x40 | name)
    : joined(Uint8Array.of(0x40, name.length), bytesOf(name));
  return joined(head, Uint8Array.of(value.length), bytesOf(value));
}

/** ":method: POST" and ":scheme: http", by their numbers in the static table. */
const POST_HTTP = Uint8Array.of(0x83, 0x86);
const AUTHORITY = 1;
const PATH = 4;
const CONTENT_TYPE = 31;
/** The four fields that were remembered, in their order: the newest has the number behind the 61 of the static table. */
const REMEMBERED = Uint8Array.of(0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62);

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let left = value;; left = Math.floor(left / 128)) {
    if (left < 128) return Uint8Array.from([...bytes, left]);
    bytes.push(left % 128 | 128);
  }
}

/** A field of bytes of a protobuf message. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return joined(Uint8Array.of(number << 3 | 2), varint(bytes.length), bytes);
}

export class EtcdWire implements Wire {
  readonly #ends: WireEnds;
  readonly #outbox: Outbox;
  readonly #cutter: Cutter;
  readonly #firstHeaders: Uint8Array;
  readonly #laterHeaders: Uint8Array;
  readonly #message: Uint8Array;
  readonly #keyEnd: number;
  /** The data frame that holds the whole message, where it fits into one. */
  readonly #isSmall: boolean;
  #stream = 1;
  /** Streams whose answer came, but not yet their end. */
  readonly #withData = new Set<number>();
  #received = 0;
  #window = FIRST_WINDOW_BYTES;
  #streamWindow = FIRST_WINDOW_BYTES;
  /** Messages that wait for room, with what was sent of them, the oldest first. */
  readonly #waiting: {
    readonly stream: number;
    readonly message: Uint8Array;
    sent: number;
    window: number;
  }[] = [];

  constructor(plan: WirePlan, ends: WireEnds) {
    this.#ends = ends;
    this.#outbox = new Outbox((bytes) => ends.write(bytes));
    this.#cutter = new Cutter(
      FRAME_HEADER_BYTES,
      (header) => FRAME_HEADER_BYTES + ((header[0] ?? 0) << 16 | (header[1] ?? 0) << 8 | (header[2] ?? 0)),
      (frame) => this.#take(frame),
    );
    const path = `/etcdserverpb.KV/${plan.work === "get" ? "Range" : "Put"}`;
    this.#firstHeaders = joined(
      POST_HTTP,
      remembered(AUTHORITY, "127.0.0.1"),
      remembered(PATH, path),
      remembered(CONTENT_TYPE, "application/grpc"),
      remembered("te", "trailers"),
    );
    this.#laterHeaders = joined(POST_HTTP, REMEMBERED);
    const key = field(1, bytesOf(EMPTY_KEY));
    const body = plan.work === "get" ? key : joined(key, field(2, valueOf(plan)));
    this.#message = joined(Uint8Array.of(0), word(body.length), body);
    this.#keyEnd = GRPC_HEADER_BYTES + key.length;
    this.#isSmall = this.#message.length <= FRAME_BYTES_MAX;
    if (key.length - 2 !== KEY_BYTES) throw new Error("A key has one byte for its length");
  }

  opened(): void {
    this.#outbox.add(bytesOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    const settings = joined(
      setting(Setting.headerTableSize, 0),
      setting(Setting.enablePush, 0),
      setting(Setting.initialWindowSize, WINDOW_BYTES),
    );
    this.#outbox.add(frameOf(Kind.settings, 0, 0, settings));
    this.#outbox.add(frameOf(Kind.windowUpdate, 0, 0, word(WINDOW_BYTES - FIRST_WINDOW_BYTES)));
    this.#outbox.flush();
  }

  ask(key: number): void {
    const stream = this.#stream;
    this.#stream += 2;
    const headers = stream === 1 ? this.#firstHeaders : this.#laterHeaders;
    const length = this.#message.length;
    const room = this.#outbox.room(FRAME_HEADER_BYTES + headers.length);
    putFrameHeader(room, headers.length, Kind.headers, END_HEADERS, stream);
    room.set(headers, FRAME_HEADER_BYTES);
    if (this.#isSmall && this.#waiting.length === 0 && length <= Math.min(this.#window, this.#streamWindow)) {
      const data = this.#outbox.room(FRAME_HEADER_BYTES + length);
      putFrameHeader(data, length, Kind.data, END_STREAM, stream);
      data.set(this.#message, FRAME_HEADER_BYTES);
      putKey(data, FRAME_HEADER_BYTES + this.#keyEnd, key);
      this.#window -= length;
      return;
    }
    const message = this.#message.slice();
    putKey(message, this.#keyEnd, key);
    this.#waiting.push({ stream, message, sent: 0, window: this.#streamWindow });
    this.#sendWaiting();
  }

  flush(): void {
    this.#outbox.flush();
  }

  received(chunk: Uint8Array): void {
    this.#received += chunk.length;
    this.#cutter.push(chunk);
    if (this.#received > RENEW_BYTES) {
      this.#outbox.add(frameOf(Kind.windowUpdate, 0, 0, word(this.#received)));
      this.#received = 0;
    }
    this.#outbox.flush();
  }

  #sendWaiting(): void {
    for (let one = this.#waiting[0]; one !== undefined; one = this.#waiting[0]) {
      while (one.sent < one.message.length) {
        const part = Math.min(FRAME_BYTES_MAX, one.message.length - one.sent, this.#window, one.window);
        if (part <= 0) return;
        const flags = one.sent + part === one.message.length ? END_STREAM : 0;
        this.#outbox.add(
          frameOf(Kind.data, flags, one.stream, one.message.subarray(one.sent, one.sent + part)),
        );
        one.sent += part;
        one.window -= part;
        this.#window -= part;
      }
      this.#waiting.shift();
    }
  }

  #take(frame: Uint8Array): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const flags = frame[4] ?? 0;
    const stream = view.getUint32(5);
    switch (frame[3]) {
      case Kind.data:
        this.#withData.add(stream);
        return;
      case Kind.headers:
        if ((flags & END_STREAM) === 0) return;
        return this.#ends.answered(this.#withData.delete(stream) ? null : "an end without data");
      case Kind.reset:
        this.#withData.delete(stream);
        return this.#ends.answered(`reset ${view.getUint32(FRAME_HEADER_BYTES)}`);
      case Kind.settings:
        if ((flags & ACK) !== 0) return;
        for (let at = FRAME_HEADER_BYTES; at < frame.length; at += 6) {
          if (view.getUint16(at) === Setting.initialWindowSize) this.#streamWindow = view.getUint32(at + 2);
        }
        this.#outbox.add(frameOf(Kind.settings, ACK, 0, new Uint8Array(0)));
        return this.#ends.ready();
      case Kind.ping:
        if ((flags & ACK) === 0) {
          this.#outbox.add(frameOf(Kind.ping, ACK, 0, frame.subarray(FRAME_HEADER_BYTES)));
        }
        return;
      case Kind.windowUpdate: {
        const more = view.getUint32(FRAME_HEADER_BYTES);
        const waiting = this.#waiting.find((one) => one.stream === stream);
        if (stream === 0) this.#window += more;
        else if (waiting !== undefined) waiting.window += more;
        return this.#sendWaiting();
      }
      case Kind.goAway:
        throw new Error(`etcd says goodbye with ${view.getUint32(FRAME_HEADER_BYTES + 4)}`);
      default:
    }
  }
}
