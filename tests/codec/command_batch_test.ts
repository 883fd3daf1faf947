/**
 * Kind: unit (golden bytes) and property.
 *
 * Invariant: the commands of an entry come back in their order and number, as views; a payload whose lengths do not add up gives a reason.
 *
 * Learnt: a length with its highest bit set is a negative number to JavaScript's bit operations; the table holds one.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { Random } from "../../internal/base/random.ts";
import { encodeCommand, Operation, type WordPlaces } from "../../internal/codec/command.ts";
import {
  CommandPacker,
  countCommands,
  decodeCommandBatch,
  encodeCommandBatch,
} from "../../internal/codec/command_batch.ts";
import {
  bytesOf,
  hexOf,
  join,
  mutated,
  randomBytes,
  randomOf,
  truncations,
  utf8,
  watchAllocations,
} from "./support.ts";

const GOLDEN: readonly (readonly [commands: readonly Uint8Array[], hex: string])[] = [
  [[], ""],
  [[new Uint8Array(0)], "00000000"],
  [[bytesOf("08")], "01000000 08"],
  [[bytesOf("40016b"), new Uint8Array(0), utf8("ab")], "03000000 40016b 00000000 02000000 6162"],
  [[new Uint8Array(0x0203)], `03020000 ${"00".repeat(0x0203)}`],
  [[new Uint8Array(0x010203)], `03020100 ${"00".repeat(0x010203)}`],
];

for (const [commands, hex] of GOLDEN) {
  const shown = hex === "" ? "of no command" : hex.length > 40 ? `${hex.slice(0, 8)}...` : hex;
  Deno.test(`the batch ${shown} never changes`, () => {
    assertEquals(hexOf(encodeCommandBatch(commands)), hex.replaceAll(" ", ""));
    assertEquals(decodeCommandBatch(bytesOf(hex)), commands);
  });
}

Deno.test("a command of more than 2^24 bytes comes back", () => {
  const command = new Uint8Array(0x01000001);
  command[0x01000000] = 7;
  const payload = encodeCommandBatch([command, utf8("next")]);
  assertEquals(hexOf(payload.subarray(0, 4)), "01000001");
  const decoded = decodeCommandBatch(payload);
  assert(typeof decoded !== "string");
  assertEquals(decoded.map(({ length }) => length), [0x01000001, 4]);
  assertEquals([decoded[0]?.[0x01000000], decoded[1]], [7, utf8("next")]);
});

Deno.test("random batches come back, and a prefix has the same commands in front or is refused", () => {
  const random = randomOf("batch/round trip");
  for (let i = 0; i < 300; i++) {
    const commands = Array.from({ length: random.between(0, 6) }, () => randomBytes(random, 60));
    const payload = encodeCommandBatch(commands);
    assertEquals(decodeCommandBatch(payload), commands);
    const cuts = new Set([0]);
    let end = 0;
    for (const { length } of commands) cuts.add(end += 4 + length);
    for (const prefix of truncations(payload)) {
      const decoded = decodeCommandBatch(prefix);
      assertEquals(typeof decoded !== "string", cuts.has(prefix.length));
      if (typeof decoded !== "string") assertEquals(decoded, commands.slice(0, decoded.length));
    }
  }
});

Deno.test("one allocation puts a batch together, none takes it apart", () => {
  const commands = [utf8("one"), utf8("two"), utf8("three")];
  const { value: payload, allocated } = watchAllocations(() => encodeCommandBatch(commands));
  assertEquals(allocated, [23]);
  const read = watchAllocations(() => decodeCommandBatch(payload));
  assertEquals(read, { value: commands, allocated: [] });
  assert(typeof read.value !== "string");
  assertStrictEquals(read.value[2]?.buffer, payload.buffer);
});

const REFUSED: readonly (readonly [hex: string, reason: string])[] = [
  ["00", "1 bytes are left where a length has 4"],
  ["000000", "3 bytes are left where a length has 4"],
  ["00000000 0000", "2 bytes are left where a length has 4"],
  ["01000000", "a command has 1 bytes, 0 are left"],
  ["02000000 61", "a command has 2 bytes, 1 are left"],
  ["01000000 61 05000000 6162", "a command has 5 bytes, 2 are left"],
  ["00000080", "a command has 2147483648 bytes, 0 are left"],
  ["ffffffff 61", "a command has 4294967295 bytes, 1 are left"],
];

for (const [hex, reason] of REFUSED) {
  Deno.test(`a payload is no batch: ${hex}`, () => {
    const decoded = watchAllocations(() => decodeCommandBatch(bytesOf(hex)));
    assertEquals(decoded.value, reason);
  });
}

Deno.test("damaged and random payloads give a reason or a batch of exactly these bytes", () => {
  const random = randomOf("batch/fuzz");
  let batches = 0;
  for (let i = 0; i < 10_000; i++) {
    const sample = encodeCommandBatch([randomBytes(random, 6), randomBytes(random, 6)]);
    const payload = i % 4 === 0 ? randomBytes(random, 20) : mutated(random, sample);
    const decoded = decodeCommandBatch(payload);
    if (typeof decoded === "string") continue;
    assertEquals(hexOf(encodeCommandBatch(decoded)), hexOf(payload));
    batches++;
  }
  assert(batches > 1000, `only ${batches} were batches`);
});

/** A command's words, somewhere in bytes of other things. */
function placed(random: Random, words: readonly Uint8Array[]): WordPlaces {
  const pieces: Uint8Array[] = [];
  const bounds = new Int32Array(2 * words.length);
  let at = 0;
  for (const [i, word] of words.entries()) {
    const gap = randomBytes(random, 5);
    pieces.push(gap, word);
    bounds[2 * i] = at + gap.length;
    at += gap.length + word.length;
    bounds[2 * i + 1] = at;
  }
  return { bytes: join(...pieces), bounds };
}

Deno.test("what is packed from places is what is encoded from arguments; batches stay as they were given", () => {
  const random = randomOf("batch/packer");
  const packer = new CommandPacker();
  const given: { readonly batch: Uint8Array; readonly expected: string }[] = [];
  for (let i = 0; i < 400; i++) {
    const commands: Uint8Array[] = [];
    for (let count = random.between(0, 5); count > 0; count--) {
      const lengthMax = [3, 30, 300, 20_000][random.below(4)] ?? 0;
      const words = Array.from({ length: random.between(1, 4) }, () => randomBytes(random, lengthMax));
      const empty = random.below(3);
      const encoded = encodeCommand(Operation.set, [
        ...words.slice(1),
        ...new Array<Uint8Array>(empty).fill(new Uint8Array(0)),
      ]);
      if (random.chance(1, 4)) packer.addEncoded(encoded);
      else packer.add(Operation.set, placed(random, words), 1, words.length, empty);
      commands.push(encoded);
      assertEquals(packer.count, commands.length);
    }
    const expected = hexOf(encodeCommandBatch(commands));
    assertEquals(packer.length * 2, expected.length);
    const { bytes, from, to, count } = packer.take();
    assertEquals(count, commands.length);
    given.push({ batch: bytes.subarray(from, to), expected });
    assertEquals([packer.count, packer.length], [0, 0]);
  }
  for (const { batch, expected } of given) assertEquals(hexOf(batch), expected);
});

Deno.test("commands are counted as they are found, or refused for the same reason", () => {
  const random = randomOf("batch/count");
  for (let i = 0; i < 2000; i++) {
    const commands = Array.from({ length: random.between(0, 5) }, () => randomBytes(random, 9));
    const batch = mutated(random, encodeCommandBatch(commands));
    const decoded = decodeCommandBatch(batch);
    const before = randomBytes(random, 9);
    const elsewhere = join(before, batch, randomBytes(random, 9));
    const counted = countCommands(elsewhere, before.length, before.length + batch.length);
    assertEquals(counted, countCommands(batch, 0, batch.length));
    assertEquals(
      countCommands(batch, 0, batch.length),
      typeof decoded === "string" ? decoded : decoded.length,
    );
  }
});
