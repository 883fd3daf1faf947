/**
 * Kind: unit (golden bytes, the numbers of the operations) and property.
 *
 * Invariant: a command is the same bytes for ever, since logs hold it; its arguments come back as views, and bytes that are no command
 * give a reason.
 *
 * Learnt: a command cut exactly behind an argument is a shorter command. Only the checksum of the record around it tells, so truncation is tested
 * for "fewer arguments, the same in front" and not for a refusal.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { decodeCommand, encodeCommand, Operation } from "../../internal/codec/command.ts";
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

const OPERATIONS: { readonly [Name in keyof typeof Operation]: number } = {
  set: 1,
  del: 2,
  incrBy: 3,
  append: 4,
  mset: 5,
  setnx: 6,
  getdel: 7,
  flush: 8,
  check: 9,
  get: 64,
  exists: 65,
  strlen: 66,
  mget: 67,
  dbsize: 68,
  scan: 69,
  keys: 70,
  getrange: 71,
};

Deno.test("the operations keep their numbers, and none takes a number that is kept free", () => {
  for (const [name, code] of Object.entries(OPERATIONS)) assertEquals(Object(Operation)[name], code, name);
  const codes = Object.values(Operation);
  assertEquals(new Set(codes).size, codes.length);
  for (const code of codes) {
    assert((code >= 1 && code < 48) || (code >= 64 && code < 112), `operation ${code}`);
  }
});

const GOLDEN: readonly (readonly [operation: Operation, args: readonly Uint8Array[], hex: string])[] = [
  [Operation.flush, [], "08"],
  [Operation.get, [utf8("k")], "40 01 6b"],
  [Operation.set, [utf8("key"), utf8("v"), new Uint8Array(0)], "01 03 6b6579 01 76 00"],
  [Operation.append, [new Uint8Array(0), new Uint8Array(127)], `04 00 7f ${"00".repeat(127)}`],
  [Operation.append, [new Uint8Array(128)], `04 8001 ${"00".repeat(128)}`],
  [Operation.append, [new Uint8Array(300)], `04 ac02 ${"00".repeat(300)}`],
  [Operation.append, [new Uint8Array(16_383)], `04 ff7f ${"00".repeat(16_383)}`],
  [Operation.append, [new Uint8Array(16_384)], `04 808001 ${"00".repeat(16_384)}`],
];

for (const [operation, args, hex] of GOLDEN) {
  const shown = hex.length > 24 ? `${hex.slice(0, 24)}...` : hex;
  Deno.test(`the command ${shown} never changes`, () => {
    assertEquals(hexOf(encodeCommand(operation, args)), hex.replaceAll(" ", ""));
    assertEquals(decodeCommand(bytesOf(hex)), { operation, args });
  });
}

Deno.test("arguments around every length of a length come back", () => {
  for (const power of [7, 14, 21]) {
    for (const length of [2 ** power - 1, 2 ** power]) {
      const command = encodeCommand(Operation.set, [utf8("k"), new Uint8Array(length), utf8("end")]);
      const decoded = decodeCommand(command);
      assert(typeof decoded !== "string");
      assertEquals(decoded.args.map((arg) => arg.length), [1, length, 3]);
      assertEquals(decoded.args[2], utf8("end"));
    }
  }
});

Deno.test("random commands come back, and a prefix has the same arguments in front or is refused", () => {
  const random = randomOf("command/round trip");
  const operations = Object.values(Operation);
  for (let i = 0; i < 300; i++) {
    const operation = operations[random.below(operations.length)] ?? Operation.get;
    const args = Array.from({ length: random.between(0, 5) }, () => randomBytes(random, 150));
    const command = encodeCommand(operation, args);
    assertEquals(decodeCommand(command), { operation, args });
    const cuts = new Set([0, 1]);
    for (let end = 1, count = 0; count < args.length; count++) {
      const length = args[count]?.length ?? 0;
      cuts.add(end += length + (length < 128 ? 1 : 2));
    }
    for (const prefix of truncations(command)) {
      const decoded = decodeCommand(prefix);
      assertEquals(typeof decoded !== "string", prefix.length > 0 && cuts.has(prefix.length));
      if (typeof decoded !== "string") assertEquals(decoded.args, args.slice(0, decoded.args.length));
    }
  }
});

Deno.test("arguments are copied in, once, and are views on the way out", () => {
  const arg = utf8("abc");
  const { value: command, allocated } = watchAllocations(() => encodeCommand(Operation.del, [arg, arg]));
  assertEquals(allocated, [9]);
  arg.fill(0);
  const read = watchAllocations(() => decodeCommand(command));
  assertEquals(read, { value: { operation: 2, args: [utf8("abc"), utf8("abc")] }, allocated: [] });
  assert(typeof read.value !== "string");
  assertStrictEquals(read.value.args[1]?.buffer, command.buffer);
});

const LENGTH = "a length is cut short or too long";

const REFUSED: readonly (readonly [hex: string, reason: string])[] = [
  ["", "it is empty"],
  ["01 01", "an argument has 1 bytes, 0 are left"],
  ["01 05 61", "an argument has 5 bytes, 1 are left"],
  ["01 01 61 02 62", "an argument has 2 bytes, 1 are left"],
  ["01 80", LENGTH],
  ["01 ffffff", LENGTH],
  ["01 80808080", LENGTH],
  ["01 8080808080 00", LENGTH],
  ["01 ffffffffffffff 7f", LENGTH],
  ["01 8080808001 00", "an argument has 268435456 bytes, 1 are left"],
  ["01 ffffffff07", "an argument has 2147483647 bytes, 0 are left"],
  ["01 8080808008 61", "an argument has 2147483648 bytes, 1 are left"],
  ["01 8080808088 00", LENGTH],
  ["01 ffffffff0f", "an argument has 4294967295 bytes, 0 are left"],
  ["01 ffffffff7f", "an argument has 34359738367 bytes, 0 are left"],
];

for (const [hex, reason] of REFUSED) {
  Deno.test(`bytes are no command: ${hex === "" ? "none" : hex}`, () => {
    assertEquals(watchAllocations(() => decodeCommand(bytesOf(hex))).value, reason);
  });
}

Deno.test("damaged and random bytes give a reason or arguments that lie in them one behind the other", () => {
  const random = randomOf("command/fuzz");
  for (let i = 0; i < 5000; i++) {
    const sample = encodeCommand(Operation.mset, [randomBytes(random, 9), randomBytes(random, 9)]);
    const bytes = join(i % 2 === 0 ? randomBytes(random, 40) : mutated(random, sample));
    const decoded = decodeCommand(bytes);
    if (typeof decoded === "string") continue;
    assertEquals(decoded.operation, bytes[0]);
    let end = 1;
    for (const arg of decoded.args) {
      assert(arg.byteOffset > end - 1 && arg.byteOffset - end <= 5 && arg.byteOffset - end >= 1);
      end = arg.byteOffset + arg.length;
    }
    assertEquals(end, bytes.length);
  }
});
