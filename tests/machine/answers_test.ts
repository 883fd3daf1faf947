/**
 * Kind: unit.
 *
 * Invariant: no answer is longer than the limit that servers can hand on; what would be is refused, and where the command would change something, it
 * does not. How long an answer will be is known before it is asked, where it may be long.
 *
 * Learnt: a hundred reads of a megabyte, asked at once through a follower, made one frame that the other side refused: the servers lost
 * their connection, and the leader its lead.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { type Reply, replyBytes } from "../../internal/codec/reply.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";

const MEGABYTE = 1024 * 1024;
const LIMIT = 12 * MEGABYTE;

function command(operation: Operation, ...words: readonly (string | Uint8Array)[]): Uint8Array {
  return encodeCommand(operation, words.map((word) => typeof word === "string" ? bytesOfLatin1(word) : word));
}

function machineWith(lengths: Readonly<Record<string, number>>): KeyValueMachine {
  const machine = new KeyValueMachine();
  for (const [key, length] of Object.entries(lengths)) {
    machine.apply(command(Operation.set, key, new Uint8Array(length), ""));
  }
  return machine;
}

function isTooLong(reply: Reply): boolean {
  return reply.type === "error" && /^ERR the answer would have \d+ bytes, the limit is/.test(reply.text);
}

const reads: readonly (readonly [name: string, command: Uint8Array, isTooLong: boolean])[] = [
  ["GET at the limit", command(Operation.get, "most"), false],
  ["GET beyond it", command(Operation.get, "more"), true],
  ["GETRANGE of all of it", command(Operation.getrange, "more", "0", "-1"), true],
  ["GETRANGE of a part", command(Operation.getrange, "more", "0", String(MEGABYTE)), false],
  ["MGET of two that fit together", command(Operation.mget, "five", "none", "five"), false],
  ["MGET of three that do not", command(Operation.mget, "five", "five", "five"), true],
];

for (const [name, asked, tooLong] of reads) {
  Deno.test(`${name} is ${tooLong ? "refused" : "answered"}`, () => {
    const machine = machineWith({ most: LIMIT, more: LIMIT + 1, five: 5 * MEGABYTE });
    const reply = machine.read(asked);
    assertEquals(isTooLong(reply), tooLong);
    assert(tooLong || replyBytes(reply) <= LIMIT + 100);
  });
}

Deno.test("KEYS and SCAN of more than the limit are refused, and told to be asked for less", () => {
  const machine = new KeyValueMachine();
  const long = "k".repeat(MEGABYTE);
  for (let i = 0; i < 13; i++) machine.apply(command(Operation.set, `${long}${i}`, "v", ""));
  assert(isTooLong(machine.read(command(Operation.keys, "*"))));
  assert(isTooLong(machine.read(command(Operation.scan, "0", "1000", "*"))));
  assertEquals(machine.read(command(Operation.keys, "none")).type, "array");
  assertEquals(machine.read(command(Operation.scan, "0", "10", "*")).type, "array");
});

Deno.test("a write whose answer would be too long does nothing", () => {
  for (const [operation, ...more] of [[Operation.getdel], [Operation.set, "new", "G"]] as const) {
    const machine = machineWith({ more: LIMIT + 1 });
    const { digest } = { digest: machine.digest() };
    assert(isTooLong(machine.apply(command(operation, "more", ...more))));
    assertEquals(machine.digest(), digest);
  }
});

Deno.test("how long an answer will be is known before it is asked, where it may be long", () => {
  const machine = machineWith({ small: 100, five: 5 * MEGABYTE });
  const expected = (asked: Uint8Array) => machine.answerBytesAt(asked, 0, asked.length);
  const cases: readonly (readonly [asked: Uint8Array, bytes: number])[] = [
    [command(Operation.get, "five"), 5 * MEGABYTE],
    [command(Operation.get, "small"), 100],
    [command(Operation.get, "none"), 0],
    [command(Operation.getrange, "five", "0", "1"), 5 * MEGABYTE],
    [command(Operation.mget, "five", "small", "five"), 10 * MEGABYTE + 100],
    [command(Operation.mget, "five", "five", "five"), LIMIT],
    [command(Operation.getdel, "five"), 5 * MEGABYTE],
    [command(Operation.set, "five", "v", "G"), 5 * MEGABYTE],
    [command(Operation.strlen, "five"), 0],
    [command(Operation.append, "five", "v"), 0],
    [command(Operation.keys, "*"), 64],
    [command(Operation.scan, "0", "1", "*"), 32],
    [Uint8Array.of(Operation.get, 200), 0],
  ];
  for (const [asked, bytes] of cases) assertEquals(expected(asked), bytes, `operation ${asked[0]}`);
  // Where nothing is long, nobody looks.
  const few = machineWith({ small: 100 });
  const get = command(Operation.get, "small");
  assertEquals(few.answerBytesAt(get, 0, get.length), 0);
});

Deno.test("values that came with a snapshot are known to be long too", () => {
  const machine = machineWith({ five: 5 * MEGABYTE });
  const capture = machine.capture();
  const other = new KeyValueMachine();
  const restoration = other.restore();
  for (let chunk = capture.next(); chunk !== null; chunk = capture.next()) restoration.take(chunk.slice());
  assertEquals(restoration.finish(capture.digest), null);
  const get = command(Operation.get, "five");
  assertEquals(other.answerBytesAt(get, 0, get.length), 5 * MEGABYTE);
  assertMatch(other.read(get).type, /bulk/);
});
