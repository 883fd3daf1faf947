/**
 * Kind: unit.
 *
 * Invariant: entries are applied in the order of the log, each once (I15); a state only makes way for a later one; reads are
 * answered at their place.
 *
 * Learnt: no core asks for anything else, so only a test that asks for it can tell whether the check is there (mutants
 * applied-out-of-order, restored-over-applied).
 */
import { assertEquals, assertThrows } from "@std/assert";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { encodeCommandBatch } from "../../internal/codec/command_batch.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { Applier } from "../../internal/node/applier.ts";
import type { Entry } from "../../internal/raft/types.ts";
import { batchOf, command } from "./node_stage.ts";

function entry(index: number, value = ""): Entry {
  return {
    index,
    term: 1,
    kind: value === "" ? "noop" : "command",
    payload: value === "" ? new Uint8Array(0) : command("set", "k", value),
    configuration: null,
    record: null,
  };
}

function applier(): Applier {
  return new Applier(new KeyValueMachine(), 0, () => {});
}

for (const [what, index] of [["again", 2], ["that comes later", 4], ["that came before", 1]] as const) {
  Deno.test(`I15: an entry ${what} is not applied`, () => {
    const one = applier();
    one.apply(entry(1, "a"));
    one.apply(entry(2, "b"));
    assertThrows(() => one.apply(entry(index, "c")), Error, "I15");
    assertEquals(one.appliedIndex, 2);
  });
}

Deno.test("S4, I14: a snapshot that leads no further does not take the place of the state", () => {
  const one = applier();
  one.apply(entry(1, "a"));
  one.apply(entry(2, "b"));
  for (const index of [1, 2]) assertThrows(() => one.installed(index), Error, "I15");
  one.installed(5);
  one.apply(entry(6));
  assertEquals(one.appliedIndex, 6);
});

Deno.test("R4: a read is answered behind its index and before the next one", () => {
  const one = applier();
  const heard: string[] = [];
  const read = (index: number) =>
    one.read(index, {
      batch: batchOf(command("get", "k"), 1),
      answer: ([reply]) =>
        heard.push(
          `${index}: ${reply?.type === "bulk" ? String.fromCharCode(...reply.bytes) : reply?.type}`,
        ),
    });
  for (const index of [2, 1, 3]) read(index);
  assertEquals(heard, []);
  one.apply(entry(1, "a"));
  one.apply(entry(2, "b"));
  assertEquals(heard, ["1: a", "2: b"]);
  read(1);
  assertEquals(heard.at(-1), "1: b");
  // A snapshot that covers the place answers too.
  one.installed(3);
  assertEquals(heard.length, 4);
});

for (const count of [1, 2, 15, 16, 17, 32, 50]) {
  Deno.test(`I15: all ${count} commands of an entry are applied, once and in their order; all reads are answered`, () => {
    const one = applier();
    const [key, by] = [bytesOfLatin1("counter"), bytesOfLatin1("1")];
    const commands = Array.from({ length: count }, () => encodeCommand(Operation.incrBy, [key, by]));
    const replies = one.apply({ ...entry(1, "v"), payload: encodeCommandBatch(commands) });
    assertEquals(
      replies.map((reply) => reply.type === "integer" ? Number(reply.value) : reply.type),
      commands.map((_, i) => i + 1),
    );
    let answers = 0;
    const looks = encodeCommandBatch(commands.map(() => encodeCommand(Operation.get, [key])));
    one.read(1, { batch: batchOf(looks, count), answer: (replies) => answers += replies.length });
    assertEquals(answers, count);
  });
}
