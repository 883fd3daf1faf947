/**
 * Kind: property.
 *
 * Invariant: a record made around its payload, and a message made in front of its record, have the bytes that copies would have; nothing that was
 * given out changes afterwards: no payload, no record, no frame, whatever is made of the same memory later.
 *
 * Learnt: a frame may wait in a socket for long, and the record in the log for longer. So the place in front of a record is written once, for the
 * first message that has no other entry; what is said of the entry later is made elsewhere.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeFrame } from "../../internal/codec/frame.ts";
import { encodeMessage, encodeMessageFrame } from "../../internal/codec/message_codec.ts";
import { allocatePayload, FRONT_BYTES, RECORD_HEADER_BYTES, recordOf } from "../../internal/codec/record.ts";
import type { AppendEntriesRequest } from "../../internal/raft/message.ts";
import type { Entry } from "../../internal/raft/types.ts";
import { randomBytes, randomNumber, randomOf } from "./support.ts";

await loadCrc32c();

/** What was given out, with the bytes that it had. */
class Given {
  readonly #list: (readonly [what: string, bytes: Uint8Array, had: Uint8Array])[] = [];

  add(what: string, bytes: Uint8Array): void {
    this.#list.push([what, bytes, bytes.slice()]);
  }

  check(): void {
    for (const [what, bytes, had] of this.#list) assertEquals(bytes, had, `a ${what} changed`);
  }
}

function commandEntry(index: number, payload: Uint8Array): Entry {
  return { index, term: 7, kind: "command", payload, configuration: null, record: null };
}

function append(entries: readonly Entry[], number: (max: number) => number): AppendEntriesRequest {
  const prevLogIndex = (entries[0]?.index ?? 1) - 1;
  return {
    kind: "appendEntriesRequest",
    term: 7,
    prevLogIndex,
    prevLogTerm: prevLogIndex === 0 ? 0 : 7,
    leaderCommit: number(Number.MAX_SAFE_INTEGER),
    round: number(Number.MAX_SAFE_INTEGER),
    health: { diskMs: number(100), loopMs: number(100) },
    epoch: number(Number.MAX_SAFE_INTEGER),
    entries,
  };
}

Deno.test("nothing that was given out changes, and every frame is what a copy would be, in any order of sending", () => {
  const random = randomOf("in place");
  const given = new Given();
  const entries: Entry[] = [];
  let inPlace = 0;
  for (let i = 0; i < 2000; i++) {
    if (random.chance(1, 2)) {
      const bytes = randomBytes(random, 200);
      const payload = random.chance(3, 4) ? allocatePayload(bytes.length) : bytes.slice();
      payload.set(bytes);
      given.add("payload", payload);
      entries.push(commandEntry(entries.length + 1, payload));
    }
    // Most often the newest one alone; now and then others, several, and again.
    const last = random.chance(2, 3) ? entries.length : random.between(0, entries.length);
    const sent = entries.slice(Math.max(0, last - (random.chance(3, 4) ? 1 : random.between(0, 4))), last);
    const message = append(sent, (max) => Math.min(max, randomNumber(random)));
    const frame = encodeMessageFrame(message);
    given.add("frame", frame);
    for (const entry of sent) given.add("record", recordOf(entry));
    const [first] = sent;
    if (first !== undefined && frame.buffer === recordOf(first).buffer) inPlace++;
    assertEquals(frame, encodeFrame(encodeMessage(message)));
    if (i % 100 === 0) given.check();
  }
  given.check();
  assert(inPlace > 300, `${inPlace} frames were made in place`);
});

Deno.test("the front of a record is given to one message only, and to none that has other entries", () => {
  const entry = commandEntry(1, allocatePayload(100));
  const number = () => 1;
  const other = commandEntry(2, allocatePayload(100));
  assert(encodeMessageFrame(append([entry, other], number)).buffer !== entry.payload.buffer);
  const frame = encodeMessageFrame(append([entry], number));
  assertStrictEquals(frame.buffer, entry.payload.buffer);
  assertStrictEquals(frame.byteOffset + frame.length, entry.payload.byteOffset + entry.payload.length);
  assert(encodeMessageFrame(append([entry], number)).buffer !== entry.payload.buffer);
});

Deno.test("the longest head finds room in front of the longest record", () => {
  const max = Number.MAX_SAFE_INTEGER;
  const entry = commandEntry(max, allocatePayload(9 * 1024 * 1024));
  const message = {
    ...append([entry], () => max),
    health: { diskMs: max, loopMs: max },
    term: max,
    prevLogTerm: max,
  };
  const frame = encodeMessageFrame(message);
  assertStrictEquals(frame.buffer, entry.payload.buffer);
  assert(frame.length <= FRONT_BYTES + RECORD_HEADER_BYTES + entry.payload.length);
  assertEquals(frame, encodeFrame(encodeMessage(message)));
});
