/**
 * Kind: unit (golden bytes, limits) and property.
 *
 * Invariant: frames come out of a stream as they went in, however it was cut; a damaged stream gives no body and one reason for
 * ever; a length above the limit is refused as soon as its header is there, and nothing is allocated for it.
 *
 * Learnt: a turned bit of the length that makes a frame longer shows only once that many bytes came, so damage is tried with enough
 * bytes behind it. One chunk costs no copy, many cost one.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeFrame, FRAME_HEADER_BYTES, FrameDecoder } from "../../internal/codec/frame.ts";
import {
  bitFlips,
  bytesOf,
  chunkings,
  hexOf,
  join,
  mutated,
  randomBytes,
  randomChunks,
  randomOf,
  truncations,
  utf8,
  watchAllocations,
} from "./support.ts";

await loadCrc32c();

const CHECKSUM = "frame checksum does not match";

/** Everything that the decoder gives for these chunks, asked after each of them: bodies in hex, then the reason if there is one. */
function heard(
  decoder: FrameDecoder,
  chunks: readonly Uint8Array[],
): { bodies: string[]; reason: string | null } {
  const bodies: string[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    while (true) {
      const next = decoder.next();
      if (next === null) break;
      if (typeof next === "string") return { bodies, reason: next };
      bodies.push(hexOf(next));
    }
  }
  return { bodies, reason: null };
}

const GOLDEN: readonly (readonly [body: Uint8Array, hex: string])[] = [
  [new Uint8Array(0), "00000000 48674bc7"],
  [utf8("123456789"), "00000009 6934cf6f 313233343536373839"],
  [new Uint8Array(258).fill(0x5a), `00000102 baf6b9aa ${"5a".repeat(258)}`],
];

for (const [body, hex] of GOLDEN) {
  Deno.test(`the frame of ${body.length} bytes never changes`, () => {
    assertEquals(hexOf(encodeFrame(body)), hex.replaceAll(" ", ""));
    assertEquals(heard(new FrameDecoder(300), [bytesOf(hex)]), { bodies: [hexOf(body)], reason: null });
  });
}

Deno.test("a stream cut anywhere, or into bytes, gives the same frames", () => {
  const bodies = [utf8("one"), new Uint8Array(0), utf8("and a longer one, twenty-nine..")];
  const expected = { bodies: bodies.map(hexOf), reason: null };
  for (const chunks of chunkings(join(...bodies.map(encodeFrame)))) {
    assertEquals(heard(new FrameDecoder(31), chunks), expected);
  }
});

Deno.test("random frames in random chunks come back", () => {
  const random = randomOf("frame/round trip");
  for (let i = 0; i < 300; i++) {
    const bodies = Array.from({ length: random.between(1, 8) }, () => randomBytes(random, 200));
    const chunks = randomChunks(random, join(...bodies.map(encodeFrame)), random.between(1, 300));
    chunks.splice(random.below(chunks.length), 0, new Uint8Array(0));
    assertEquals(heard(new FrameDecoder(200), chunks), { bodies: bodies.map(hexOf), reason: null });
  }
});

Deno.test("frames that wait together in the decoder come out one by one", () => {
  const random = randomOf("frame/waiting");
  const bodies = Array.from({ length: 20 }, () => randomBytes(random, 50));
  const decoder = new FrameDecoder(50);
  for (const chunk of randomChunks(random, join(...bodies.map(encodeFrame)), 30)) decoder.push(chunk);
  for (const body of bodies) assertEquals(decoder.next(), body);
  assertEquals(decoder.next(), null);
});

Deno.test("no prefix of a frame is one, and the rest completes it", () => {
  const frame = encodeFrame(utf8("a body"));
  for (const prefix of truncations(frame)) {
    const decoder = new FrameDecoder(6);
    decoder.push(prefix);
    assertEquals(decoder.next(), null);
    assertEquals(decoder.next(), null);
    decoder.push(frame.slice(prefix.length));
    assertEquals(decoder.next(), utf8("a body"));
  }
});

for (const text of ["", "a body of some length"]) {
  Deno.test(`a frame of ${text.length} bytes with one turned bit gives no body, whatever follows it`, () => {
    const frame = encodeFrame(utf8(text));
    const behind = join(...Array.from({ length: 600 }, () => encodeFrame(utf8("behind"))));
    for (const { bit, damaged } of bitFlips(frame)) {
      const decoder = new FrameDecoder(4096);
      const alone = heard(decoder, [damaged]);
      assertEquals(alone.bodies, [], `bit ${bit}`);
      const { bodies, reason } = heard(decoder, [behind]);
      assertEquals(bodies, [], `bit ${bit}`);
      assert(
        reason === CHECKSUM || (bit < 32 && /^frame length is \d+, the limit is 4096$/.test(reason ?? "")),
        `${reason}`,
      );
    }
  });
}

for (const length of [17, 256, 2 ** 31, 2 ** 32 - 1]) {
  Deno.test(`a frame length of ${length} above a limit of 16 is refused by its header alone, and nothing is allocated`, () => {
    const header = new Uint8Array(FRAME_HEADER_BYTES);
    new DataView(header.buffer).setUint32(0, length);
    const reason = `frame length is ${length}, the limit is 16`;
    for (const chunks of chunkings(header)) {
      const decoder = new FrameDecoder(16);
      const { value, allocated } = watchAllocations(() => heard(decoder, chunks));
      assertEquals(value, { bodies: [], reason });
      assert(allocated.every((bytes) => bytes <= FRAME_HEADER_BYTES), String(allocated));
    }
  });
}

Deno.test("a body as long as the limit passes; another limit holds from the next frame on", () => {
  const frame = encodeFrame(new Uint8Array(17));
  assertEquals(heard(new FrameDecoder(17), [frame.slice()]).bodies.length, 1);
  const decoder = new FrameDecoder(2);
  decoder.push(join(encodeFrame(utf8("ab")), frame, frame));
  assertEquals(decoder.next(), utf8("ab"));
  decoder.bodyBytesMax = 17;
  assertEquals(decoder.next(), new Uint8Array(17));
  decoder.bodyBytesMax = 16;
  assertEquals(decoder.next(), "frame length is 17, the limit is 16");
});

Deno.test("after a reason there is nothing but that reason", () => {
  const damaged = encodeFrame(utf8("a"));
  damaged[8] = 0;
  const decoder = new FrameDecoder(16);
  decoder.push(join(encodeFrame(utf8("before")), damaged, encodeFrame(utf8("behind"))));
  assertEquals(decoder.next(), utf8("before"));
  for (let i = 0; i < 3; i++) {
    assertEquals(decoder.next(), CHECKSUM);
    decoder.push(encodeFrame(utf8("later")));
  }
});

Deno.test("a frame in one chunk is not copied, a frame in a thousand chunks is put together once", () => {
  const body = randomBytes(randomOf("frame/copies"), 2000);
  const frame = encodeFrame(body);
  const decoder = new FrameDecoder(2000);
  const whole = frame.slice();
  decoder.push(whole);
  const { value: given, allocated } = watchAllocations(() => decoder.next());
  assertEquals(allocated, []);
  assert(given instanceof Uint8Array);
  assertStrictEquals(given.buffer, whole.buffer);
  const bytes = Array.from(frame, (byte) => Uint8Array.of(byte));
  const pieces = watchAllocations(() => heard(decoder, bytes));
  assertEquals(pieces.value.bodies, [hexOf(body)]);
  assertEquals(pieces.allocated.filter((length) => length > FRAME_HEADER_BYTES), [frame.length]);
});

Deno.test("damaged and random streams give whole frames of the original or a reason, never an exception", () => {
  const random = randomOf("frame/fuzz");
  for (let i = 0; i < 3000; i++) {
    const bodies = Array.from({ length: 4 }, () => randomBytes(random, 30));
    const sent = bodies.map(hexOf);
    const stream = i % 4 === 0 ? randomBytes(random, 100) : mutated(random, join(...bodies.map(encodeFrame)));
    const got = heard(new FrameDecoder(40), randomChunks(random, stream, 50));
    assertEquals(got.bodies, sent.slice(0, got.bodies.length));
    assert(
      got.reason === null || got.reason === CHECKSUM || got.reason.startsWith("frame length is "),
      `${got.reason}`,
    );
  }
});
