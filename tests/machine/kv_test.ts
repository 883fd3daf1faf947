/**
 * Kind: unit (tables of conversations).
 *
 * Invariant: each command answers and changes what its line in the Redis reference says; a command that fails changes nothing; bytes that
 * are no command have a reply and change nothing; what is stored is a copy.
 *
 * Learnt: the edges of a signed 64-bit integer are where an implementation in doubles goes wrong, so they have lines of their own.
 */
import { assertEquals } from "@std/assert";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { contentsOf, Local, wire } from "./local.ts";

const NOT_AN_INTEGER = "-ERR value is not an integer or out of range";
const OVERFLOW = "-ERR increment or decrement would overflow";

/** Commands by words between blanks, `_` for the empty word; replies as on the wire, `,` for the end of a line. */
const CONVERSATIONS: Readonly<Record<string, readonly (readonly [command: string, reply: string])[]>> = {
  "SET and GET": [
    ["GET k", "$-1"],
    ["SET k v", "+OK"],
    ["GET k", "$1,v"],
    ["SET k _", "+OK"],
    ["GET k", "$0,"],
    ["GET K", "$-1"],
    ["SET _ empty-key", "+OK"],
    ["GET _", "$9,empty-key"],
  ],
  "SET with NX, XX and GET": [
    ["SET k 1 XX", "$-1"],
    ["GET k", "$-1"],
    ["SET k 1 NX", "+OK"],
    ["SET k 2 nx", "$-1"],
    ["GET k", "$1,1"],
    ["SET k 2 xx", "+OK"],
    ["SET k 3 GET", "$1,2"],
    ["SET k 4 NX GET", "$1,3"],
    ["GET k", "$1,3"],
    ["SET k 5 XX GET", "$1,3"],
    ["SET new 1 GET", "$-1"],
    ["GET new", "$1,1"],
    ["SET other 1 GET XX", "$-1"],
    ["GET other", "$-1"],
    ["SET k 9 NX XX", "-ERR syntax error"],
    ["SET k 9 HUH", "-ERR syntax error"],
    ["SET k 9 EX 10", "-ERR SET option EX is not supported: keys do not expire here"],
    ["GET k", "$1,5"],
  ],
  "SETNX, GETSET and GETDEL": [
    ["SETNX k 1", ":1"],
    ["SETNX k 2", ":0"],
    ["GETSET k 3", "$1,1"],
    ["GETSET new 1", "$-1"],
    ["GETDEL k", "$1,3"],
    ["GETDEL k", "$-1"],
    ["DBSIZE", ":1"],
  ],
  "DEL, UNLINK and EXISTS count keys": [
    ["MSET a 1 b 2 c 3", "+OK"],
    ["EXISTS a b none", ":2"],
    ["EXISTS a a a", ":3"],
    ["DEL a a none", ":1"],
    ["EXISTS a", ":0"],
    ["UNLINK b c", ":2"],
    ["DEL none", ":0"],
    ["DBSIZE", ":0"],
  ],
  "INCR and DECR count from nothing": [
    ["INCR n", ":1"],
    ["INCRBY n 41", ":42"],
    ["DECR n", ":41"],
    ["DECRBY n 50", ":-9"],
    ["INCRBY n -1", ":-10"],
    ["DECRBY n -10", ":0"],
    ["GET n", "$1,0"],
    ["DECR m", ":-1"],
  ],
  "integers end where 64 bits do": [
    ["SET n 9223372036854775806", "+OK"],
    ["INCR n", ":9223372036854775807"],
    ["INCR n", OVERFLOW],
    ["GET n", "$19,9223372036854775807"],
    ["INCRBY n -9223372036854775807", ":0"],
    ["SET n -9223372036854775807", "+OK"],
    ["DECR n", ":-9223372036854775808"],
    ["DECR n", OVERFLOW],
    ["INCRBY n 9223372036854775807", ":-1"],
    ["INCRBY n -9223372036854775808", OVERFLOW],
    ["INCRBY n 9223372036854775808", NOT_AN_INTEGER],
    ["DECRBY n -9223372036854775808", "-ERR decrement would overflow"],
    ["SET exact 9007199254740993", "+OK"],
    ["INCR exact", ":9007199254740994"],
    ["INCR exact", ":9007199254740995"],
    ["DECRBY exact 2", ":9007199254740993"],
  ],
  "what is no integer is not counted, and stays": [
    ...["abc", "_", "007", "-0", "+1", "1.0", "1e3", "0x1", "9223372036854775808"].flatMap((value) =>
      [
        [`SET n ${value}`, "+OK"],
        ["INCR n", NOT_AN_INTEGER],
        [`INCRBY other ${value}`, NOT_AN_INTEGER],
        ["GET n", value === "_" ? "$0," : `$${value.length},${value}`],
      ] as const
    ),
    ["EXISTS other", ":0"],
  ],
  "APPEND and STRLEN": [
    ["STRLEN k", ":0"],
    ["APPEND k _", ":0"],
    ["EXISTS k", ":1"],
    ["APPEND k ab", ":2"],
    ["APPEND k cd", ":4"],
    ["STRLEN k", ":4"],
    ["GET k", "$4,abcd"],
    ["APPEND n 1", ":1"],
    ["INCR n", ":2"],
    ["APPEND n 0", ":2"],
    ["INCR n", ":21"],
  ],
  "MGET and MSET": [
    ["MGET a b", "*2,$-1,$-1"],
    ["MSET a 1 b 2 a 3", "+OK"],
    ["MGET a none b a", "*4,$1,3,$-1,$1,2,$1,3"],
    ["MSET a", "-ERR wrong number of arguments for 'mset' command"],
    ["MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"],
    ["GET a", "$1,3"],
  ],
  "KEYS and DBSIZE, in the order of bytes": [
    ["KEYS *", "*0"],
    ["MSET b 1 a 1 B 1 ab 1 _ 1 10 1 9 1", "+OK"],
    ["DBSIZE", ":7"],
    ["KEYS *", "*7,$0,,$2,10,$1,9,$1,B,$1,a,$2,ab,$1,b"],
    ["KEYS a*", "*2,$1,a,$2,ab"],
    ["KEYS ?", "*4,$1,9,$1,B,$1,a,$1,b"],
    ["KEYS [^a]", "*3,$1,9,$1,B,$1,b"],
    ["KEYS none", "*0"],
    ["FLUSHALL", "+OK"],
    ["DBSIZE", ":0"],
    ["KEYS *", "*0"],
    ["SET again 1", "+OK"],
    ["KEYS *", "*1,$5,again"],
  ],
  "GETRANGE counts from both ends": [
    ["SET k abcdef", "+OK"],
    ["GETRANGE k 0 -1", "$6,abcdef"],
    ["GETRANGE k 1 3", "$3,bcd"],
    ["GETRANGE k -3 -2", "$2,de"],
    ["GETRANGE k 4 99", "$2,ef"],
    ["GETRANGE k -99 1", "$2,ab"],
    ["GETRANGE k 3 2", "$0,"],
    ["GETRANGE k -1 -2", "$0,"],
    ["GETRANGE k 6 9", "$0,"],
    ["GETRANGE k -99 -98", "$1,a"],
    ["GETRANGE k -9223372036854775808 9223372036854775807", "$6,abcdef"],
    ["SUBSTR k 0 0", "$1,a"],
    ["GETRANGE none 0 -1", "$0,"],
    ["GETRANGE k 0 x", NOT_AN_INTEGER],
    ["GETRANGE k 00 1", NOT_AN_INTEGER],
  ],
  "TYPE and TTL know that keys do not expire": [
    ["TYPE k", "+none"],
    ["TTL k", ":-2"],
    ["SET k 1", "+OK"],
    ["TYPE k", "+string"],
    ["TTL k", ":-1"],
    ["PTTL k", ":-1"],
  ],
};

for (const [title, lines] of Object.entries(CONVERSATIONS)) {
  Deno.test(title, () => {
    const local = new Local();
    for (const [i, [command, reply]] of lines.entries()) {
      const words = command.split(" ").map((word) => word === "_" ? "" : word);
      assertEquals(local.answer(words), `${reply.replaceAll(",", "\r\n")}\r\n`, `line ${i}: ${command}`);
    }
  });
}

Deno.test("keys and values are any bytes", () => {
  const local = new Local();
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
  for (const value of [all, "\r\n", "\0", "$-1\r\n", "\xff"]) {
    local.answer(["SET", value, value]);
    assertEquals(local.answer(["GET", value]), `$${value.length}\r\n${value}\r\n`);
  }
  assertEquals(local.answer(["DBSIZE"]), ":5\r\n");
});

Deno.test("a long value comes back whole", () => {
  const local = new Local();
  const value = "0123456789abcdef".repeat(65_536);
  local.answer(["SET", "long", value]);
  local.answer(["APPEND", "long", "!"]);
  assertEquals(local.answer(["STRLEN", "long"]), ":1048577\r\n");
  assertEquals(local.answer(["GET", "long"]) === `$1048577\r\n${value}!\r\n`, true);
});

Deno.test("what is stored does not change when the bytes of the command do, nor a value that was read when it is written", () => {
  const machine = new KeyValueMachine();
  const commands = [
    encodeCommand(Operation.set, ["s", "value", ""].map(bytesOfLatin1)),
    encodeCommand(Operation.mset, ["m", "value"].map(bytesOfLatin1)),
    encodeCommand(Operation.setnx, ["n", "value"].map(bytesOfLatin1)),
    encodeCommand(Operation.append, ["a", "value"].map(bytesOfLatin1)),
  ];
  for (const command of commands) machine.apply(command);
  const before = contentsOf(machine);
  for (const command of commands) command.fill(0x2a);
  assertEquals(contentsOf(machine), before);
  const get = encodeCommand(Operation.get, [bytesOfLatin1("a")]);
  const read = machine.read(get);
  machine.apply(encodeCommand(Operation.append, ["a", "more"].map(bytesOfLatin1)));
  assertEquals(wire(read), "$5\r\nvalue\r\n");
  assertEquals(wire(machine.read(get)), "$9\r\nvaluemore\r\n");
});

/** Bytes that no honest leader sends: they have an answer all the same. */
const MALFORMED: readonly (readonly [what: string, command: Uint8Array])[] = [
  ["nothing", new Uint8Array(0)],
  ["an unknown operation that changes", Uint8Array.of(63)],
  ["an unknown operation that looks", Uint8Array.of(127, 0)],
  ["operation 0", Uint8Array.of(0)],
  ["operation 255", Uint8Array.of(255)],
  ["a length that is cut short", Uint8Array.of(Operation.set, 128)],
  ["a length without end", Uint8Array.of(Operation.set, 255, 255, 255, 255, 255, 1)],
  ["a length beyond the end", Uint8Array.of(Operation.get, 5, 97)],
  ["SET without options", encodeCommand(Operation.set, [bytesOfLatin1("k"), bytesOfLatin1("v")])],
  ["INCRBY without amount", encodeCommand(Operation.incrBy, [bytesOfLatin1("k")])],
  ["APPEND without value", encodeCommand(Operation.append, [bytesOfLatin1("k")])],
  ["MSET with an odd word", encodeCommand(Operation.mset, [bytesOfLatin1("k")])],
  ["SETNX without value", encodeCommand(Operation.setnx, [bytesOfLatin1("k")])],
  ["GETDEL without key", encodeCommand(Operation.getdel, [])],
  ["GET without key", encodeCommand(Operation.get, [])],
  ["STRLEN without key", encodeCommand(Operation.strlen, [])],
  ["KEYS without pattern", encodeCommand(Operation.keys, [])],
  ["SCAN without pattern", encodeCommand(Operation.scan, [bytesOfLatin1("0"), bytesOfLatin1("1")])],
  ["GETRANGE without end", encodeCommand(Operation.getrange, [bytesOfLatin1("k"), bytesOfLatin1("0")])],
];

for (const [what, command] of MALFORMED) {
  Deno.test(`${what} is answered by an error, as a write and as a read, and changes nothing`, () => {
    const local = new Local();
    local.answer(["MSET", "k", "5", "l", "v"]);
    const before = contentsOf(local.machine);
    for (const reply of [local.machine.apply(command), local.machine.read(command)]) {
      assertEquals(wire(reply).startsWith("-ERR the command is malformed: "), true, wire(reply));
    }
    assertEquals(contentsOf(local.machine), before);
  });
}

Deno.test("a command that changes is no read, and a read changes nothing", () => {
  const local = new Local();
  local.answer(["SET", "k", "5"]);
  const before = contentsOf(local.machine);
  const changing = [
    Operation.set,
    Operation.del,
    Operation.incrBy,
    Operation.append,
    Operation.mset,
    Operation.setnx,
    Operation.getdel,
    Operation.flush,
  ];
  const words = ["k", "1", ""].map(bytesOfLatin1);
  for (const operation of changing) {
    assertEquals(local.machine.read(encodeCommand(operation, words)).type, "error", `operation ${operation}`);
  }
  assertEquals(contentsOf(local.machine), before);
});
