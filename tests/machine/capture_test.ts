/**
 * Kind: property.
 *
 * Invariant: a capture gives the state of the moment at which it was taken, whatever is written while it is read; a state that is
 * restored from its chunks is the same one, down to its digest and to its own image; chunks that are none change nothing.
 *
 * Learnt: what is written during a capture is written in place only where it came out already, so a long capture costs memory. That is given
 * back by the writes behind its end, whatever they write: a store that is only overwritten with values of the same length once had seven times
 * the memory that it needed, since nothing tidied up between one capture and the next.
 */
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/base/assert.ts";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import type { Capture } from "../../internal/machine/machine.ts";
import { hexOf } from "../codec/support.ts";
import { colliding } from "./colliding.ts";
import { contentsOf } from "./local.ts";

function write(machine: KeyValueMachine, random: Random, keys: number): void {
  const key = bytesOfLatin1(`key ${random.below(keys)}`);
  const value = bytesOfLatin1(
    String(random.below(1000)).repeat(random.below(random.chance(1, 50) ? 9000 : 90)),
  );
  const command = random.chance(1, 5)
    ? encodeCommand(Operation.del, [key])
    : random.chance(1, 5)
    ? encodeCommand(Operation.append, [key, bytesOfLatin1("more")])
    : encodeCommand(Operation.set, [key, value, new Uint8Array(0)]);
  machine.apply(command);
}

function filled(random: Random, keys: number): KeyValueMachine {
  const machine = new KeyValueMachine();
  for (let i = 0; i < 2 * keys; i++) write(machine, random, keys);
  return machine;
}

/** Every chunk to the end. */
function chunksOf(capture: Capture, between: () => void = () => {}): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let chunk = capture.next(); chunk !== null; chunk = capture.next()) {
    chunks.push(chunk.slice());
    between();
  }
  return chunks;
}

function restored(chunks: readonly Uint8Array[], digest: number): KeyValueMachine {
  const machine = new KeyValueMachine();
  machine.apply(encodeCommand(Operation.set, ["gone", "v", ""].map(bytesOfLatin1)));
  const restoration = machine.restore();
  for (const chunk of chunks) {
    const memory = chunk.slice();
    assertEquals(restoration.take(memory), null);
    // A chunk is there until it is taken.
    memory.fill(255);
  }
  assertEquals(restoration.finish(digest), null);
  return machine;
}

for (let seed = 0; seed < 12; seed++) {
  Deno.test(`a capture is the state of its moment while writes go on, seed ${seed}`, () => {
    const random = new SeededRandom(`capture/${seed}`);
    const keys = [3, 200, 3000][seed % 3] ?? 3;
    const machine = filled(random, keys);
    for (let round = 0; round < 3; round++) {
      const [before, digest] = [contentsOf(machine), machine.digest()];
      const capture = machine.capture();
      const chunks = chunksOf(capture, () => {
        for (let i = random.below(keys); i > 0; i--) write(machine, random, keys);
        if (random.chance(1, 20)) machine.apply(encodeCommand(Operation.flush, []));
      });
      assert(capture.isSound);
      assertEquals([capture.digest, capture.next()], [digest, null]);
      const other = restored(chunks, digest);
      assertEquals([contentsOf(other), other.digest()], [before, digest]);
      const again = chunksOf(other.capture());
      assertEquals(again.map(hexOf), chunks.map(hexOf), "a state has one image");
      for (let i = 0; i < keys; i++) write(machine, random, keys);
    }
  });
}

Deno.test("keys of one hash that fill several chunks are captured as they stood, and restored", () => {
  const machine = new KeyValueMachine();
  const names = Array.from({ length: 3000 }, (_, i) => colliding(i));
  const set = (name: Uint8Array, value: string) =>
    machine.apply(encodeCommand(Operation.set, [name, bytesOfLatin1(value), new Uint8Array(0)]));
  for (const name of names) set(name, "v".repeat(256));
  const [before, digest] = [contentsOf(machine), machine.digest()];
  const capture = machine.capture();
  const chunks = chunksOf(capture, () => {
    for (const name of names) set(name, "w".repeat(256));
  });
  assertGreater(chunks.length, 4);
  assert(capture.isSound);
  const other = restored(chunks, digest);
  assertEquals([contentsOf(other), other.digest()], [before, digest]);
});

Deno.test("the same contents have the same image, however they came about, and chunks are of a size", () => {
  const random = new SeededRandom("image");
  const names = Array.from({ length: 3000 }, (_, i) => `key ${i}`);
  const set = (machine: KeyValueMachine, name: string, value: string) =>
    machine.apply(encodeCommand(Operation.set, [name, value, ""].map(bytesOfLatin1)));
  const images = Array.from({ length: 3 }, () => {
    const machine = new KeyValueMachine();
    for (let i = 0; i < 4000; i++) {
      set(machine, `key ${random.below(3000)}`, "other".repeat(random.below(100)));
    }
    for (const { name } of names.map((name) => ({ name, at: random.uint32() })).sort((a, b) => a.at - b.at)) {
      set(machine, name, `value of ${name}`.repeat(20));
    }
    return chunksOf(machine.capture()).map(hexOf);
  });
  assertEquals(new Set(images.map((image) => image.join())).size, 1);
  const sizes = images[0]?.map(({ length }) => length / 2) ?? [];
  assertGreater(sizes.length, 3);
  assert(sizes.slice(0, -1).every((size) => size >= 128 * 1024 && size < 130 * 1024), String(sizes));
});

Deno.test("one state is captured at a time; one that is let go makes way", () => {
  const machine = filled(new SeededRandom("one"), 2000);
  const first = machine.capture();
  assertThrows(() => machine.capture(), AssertionError);
  first.next();
  first.release();
  first.release();
  assertEquals(first.next(), null);
  const second = machine.capture();
  machine.apply(encodeCommand(Operation.flush, []));
  const third = machine.capture();
  assertEquals([third.next(), third.isSound], [null, true]);
  assertGreater(chunksOf(second).length, 0);
  assert(second.isSound);
  second.release();
  machine.capture().release();
});

Deno.test("chunks that are cut, turned round or in another order are refused, and nothing has changed", () => {
  const random = new SeededRandom("refused");
  const source = filled(random, 4000);
  const { digest } = source.capture();
  const machine = new KeyValueMachine();
  machine.apply(encodeCommand(Operation.set, ["kept", "v", ""].map(bytesOfLatin1)));
  const before = contentsOf(machine);
  const other = filled(new SeededRandom("refused"), 4000);
  const chunks = chunksOf(other.capture());
  assertGreater(chunks.length, 2);
  const outcomes = (list: readonly Uint8Array[], expected: number) => {
    const restoration = machine.restore();
    for (const chunk of list) {
      const reason = restoration.take(chunk);
      if (reason !== null) return reason;
    }
    return restoration.finish(expected) ?? "restored";
  };
  const [first = new Uint8Array(0)] = chunks;
  assertEquals(outcomes(chunks.toReversed(), digest), "the keys of the image are not in order");
  assertEquals(outcomes([first, first], digest), "the keys of the image are not in order");
  assertEquals(
    outcomes([first.subarray(0, -1)], digest).startsWith("a pair of the image is cut short"),
    true,
  );
  assertEquals(outcomes(chunks.slice(1), digest).startsWith("the digest is "), true);
  assertEquals(outcomes(chunks, digest + 1).startsWith("the digest is "), true);
  assertEquals(contentsOf(machine), before);
  assertEquals(outcomes(chunks, digest), "restored");
  assertEquals(contentsOf(machine), contentsOf(other));
});
