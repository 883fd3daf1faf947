/**
 * Kind: property (from seeds, no sockets).
 *
 * Invariant: cut at its frames, a stream is the same stream, however it came in pieces, be it one of frames or not; damage depends on the place in the
 * stream alone; a limit of bytes per second is kept and nearly used; memory for replays is bounded.
 *
 * Learnt: a frame above what may be held back has to pass in parts, and the parts have to share its fate.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { Buffer } from "node:buffer";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeFrame } from "../../internal/codec/frame.ts";
import { Flipper } from "./proxy/flipper.ts";
import { FrameCutter } from "./proxy/frame_cutter.ts";
import { Recorder } from "./proxy/recorder.ts";
import { Throttle } from "./proxy/throttle.ts";

await loadCrc32c();

function bytesOf(count: number, random: SeededRandom): Uint8Array {
  return Uint8Array.from({ length: count }, () => random.below(256));
}

/** The stream in pieces of random sizes. */
function pieces(stream: Uint8Array, random: SeededRandom): Uint8Array[] {
  const cut: Uint8Array[] = [];
  const most = [1, 9, 500, 70_000][random.below(4)] ?? 1;
  for (let at = 0; at < stream.length;) {
    const size = random.between(1, most);
    cut.push(stream.slice(at, at + size));
    at += size;
  }
  return cut;
}

Deno.test("proxy parts: cut at its frames, a stream is the same stream, and each frame up to the limit is one unit", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new SeededRandom(`cutter/${seed}`);
    const sizes = Array.from(
      { length: random.between(1, 30) },
      () => random.below([3, 400, 5000][seed % 3] ?? 3),
    );
    if (seed % 5 === 0) sizes.splice(1, 0, 300_000);
    const frames = sizes.map((size) => encodeFrame(bytesOf(size, random)));
    // Sometimes the stream ends in the middle of a frame, or is none of frames.
    const whole = Buffer.concat(seed % 7 === 0 ? [...frames, bytesOf(5, random)] : frames);
    const stream = seed % 11 === 10 ? bytesOf(20_000, random) : whole;
    const cutter = new FrameCutter();
    const units = [...pieces(stream, random).flatMap((piece) => cutter.push(piece)), ...cutter.flush()];
    assertEquals(Buffer.compare(Buffer.concat(units.map(({ bytes }) => bytes)), stream), 0, `seed ${seed}`);
    if (stream !== whole) continue;
    const small = units.filter(({ begins, ends }) => begins && ends).map(({ bytes }) => bytes.length);
    const expected = frames.map((frame) => frame.length).filter((length) => length <= 256 * 1024);
    for (const length of expected) assert(small.includes(length), `a frame of ${length} bytes is one unit`);
    let isInside = false;
    for (const { begins, ends } of units) {
      assertEquals(begins, !isInside);
      isInside = !ends;
    }
  }
});

Deno.test("proxy parts: what is damaged depends on the place in the stream alone", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new SeededRandom(`flipper/${seed}`);
    const stream = bytesOf(5000, random);
    const chance = [0.5, 0.01, 0.001, 1][seed % 4] ?? 1;
    const damaged = (chunks: readonly Uint8Array[]) => {
      const flipper = new Flipper(chance, new SeededRandom(`damage/${seed}`));
      return Buffer.concat(chunks.map((chunk) => flipper.pass(chunk).bytes));
    };
    const before = stream.slice();
    const once = damaged([stream]);
    assertEquals(Buffer.compare(stream, before), 0, "the chunk that was given is not written to");
    assertEquals(Buffer.compare(damaged(pieces(stream, random)), once), 0, `seed ${seed}`);
    const hit = once.filter((byte, i) => byte !== stream[i]).length;
    assertGreater(hit, chance * 5000 / 4 - 3);
    assert(hit <= chance * 5000 * 2 + 8, `${hit} of 5000 at ${chance}`);
  }
});

Deno.test("proxy parts: no more than the limit passes, and hardly less, even if timers come late", () => {
  for (const bytesPerSecond of [100, 10_000, 5_000_000]) {
    const random = new SeededRandom(`throttle/${bytesPerSecond}`);
    const throttle = new Throttle(bytesPerSecond);
    let now = 1000;
    let passed = 0;
    while (now < 11_000) {
      const at = throttle.reserve(throttle.pieceBytes, now);
      now = Math.max(now, at) + random.below(3);
      passed += throttle.pieceBytes;
    }
    assert(
      passed <= bytesPerSecond * 10.1 + throttle.pieceBytes,
      `${passed} of ${bytesPerSecond} per second`,
    );
    assertGreater(passed, bytesPerSecond * 9.5);
  }
});

Deno.test("proxy parts: what is remembered for replays is bounded, newest last", () => {
  const recorder = new Recorder();
  const random = new SeededRandom("recorder");
  for (let i = 0; i < 1000; i++) recorder.remember(Uint8Array.of(i & 255, i >> 8));
  assertEquals(recorder.back(1), Uint8Array.of(999 & 255, 999 >> 8));
  assertEquals(recorder.back(256), Uint8Array.of(744 & 255, 744 >> 8));
  assertEquals(recorder.back(257), null);
  recorder.remember(new Uint8Array(300 * 1024));
  assertEquals(recorder.back(1), Uint8Array.of(999 & 255, 999 >> 8), "too long to be remembered");
  for (let i = 0; i < 5; i++) recorder.remember(new Uint8Array(100 * 1024).fill(i));
  assertEquals([recorder.back(1)?.[0], recorder.back(2)?.[0], recorder.back(3)], [4, 3, null]);
  for (let i = 0; i < 50; i++) assertEquals(recorder.anyEarlier(random)?.[0], 3, "never the last one itself");
});
