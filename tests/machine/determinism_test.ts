/**
 * Kind: property.
 *
 * Invariant: two machines that are given the same commands give the same replies and hold the same after each of them, whatever was read
 * in between or looked ahead to, and however their buffers lie; the order of keys depends on the keys alone.
 *
 * Learnt: replies are compared as bytes, since a `bigint` and a number of the same value are the same on the wire; state is compared
 * through everything that a client could read of it.
 */
import { assertEquals } from "@std/assert";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { randomKey, randomValue } from "./commands.ts";
import { contentsOf, wire } from "./local.ts";

const OPERATIONS = Object.values(Operation);

/** A command of any operation with any words, as a faulty or hostile sender might make it; now and then no command at all. */
function randomBytes(random: Random): Uint8Array {
  const words = Array.from(
    { length: random.between(0, 4) },
    () => bytesOfLatin1(random.chance(1, 2) ? randomKey(random) : randomValue(random)),
  );
  const command = encodeCommand(OPERATIONS[random.below(OPERATIONS.length)] ?? Operation.get, words);
  if (random.chance(1, 6)) command[random.below(command.length)] = random.below(256);
  return command;
}

/** The same bytes somewhere in a larger buffer. */
function elsewhere(bytes: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(bytes.length + 13).fill(0x55);
  buffer.set(bytes, 7);
  return buffer.subarray(7, 7 + bytes.length);
}

for (let seed = 0; seed < 12; seed++) {
  Deno.test(`two machines stay the same, seed ${seed}`, () => {
    const random = new SeededRandom(`determinism/${seed}`);
    const [one, other] = [new KeyValueMachine(), new KeyValueMachine()];
    const replies = new Set<string>();
    for (let step = 0; step < 250; step++) {
      const command = randomBytes(random);
      const reply = wire(one.apply(command));
      replies.add(reply);
      // The other one is asked more, looks ahead to this command and to nonsense, and has its bytes elsewhere.
      const ahead = randomBytes(random);
      other.expect(command, Int32Array.of(0, command.length, 0, random.below(command.length + 1)), 2);
      other.expect(ahead, Int32Array.from({ length: 64 }, () => random.below(ahead.length + 1)), 32);
      other.read(randomBytes(random));
      other.read(command);
      assertEquals(wire(other.apply(elsewhere(command))), reply, `step ${step}`);
      assertEquals(contentsOf(other), contentsOf(one), `step ${step}`);
      const look = randomBytes(random);
      assertEquals(wire(other.read(look)), wire(one.read(look)), `look of step ${step}`);
    }
    assertEquals(replies.size > 20, true, "the commands do many things");
  });
}

Deno.test("the same contents look the same, in whatever order they came and whatever was there before", () => {
  const random = new SeededRandom("order");
  const names = Array.from({ length: 300 }, (_, i) => `key ${i * 7919 % 1000}`);
  const set = (machine: KeyValueMachine, name: string) =>
    machine.apply(encodeCommand(Operation.set, [name, `of ${name}`, ""].map(bytesOfLatin1)));
  const machines = Array.from({ length: 4 }, (_, i) => {
    const machine = new KeyValueMachine();
    if (i === 3) set(machine, "flushed");
    if (i === 3) machine.apply(encodeCommand(Operation.flush, []));
    const shuffled = names.map((name) => ({ name, at: i === 0 ? 0 : random.uint32() }))
      .sort((a, b) => a.at - b.at);
    for (const { name } of shuffled) {
      set(machine, name);
      if (!random.chance(1, 4)) continue;
      machine.apply(encodeCommand(Operation.del, [bytesOfLatin1(name)]));
      set(machine, name);
    }
    return machine;
  });
  assertEquals(new Set(machines.map(contentsOf)).size, 1);
  assertEquals(machines[0]?.size(), 300);
});
