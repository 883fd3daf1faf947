/**
 * Kind: unit (connections, their network and their cluster played by hand).
 *
 * Invariant: commands that only hand their arguments to the store, and were read in one go, are submitted together, reads apart from
 * writes, in their order and within bounds; whatever else is asked between them ends a batch and keeps its place; batches of several
 * clients do not mix.
 *
 * Learnt: the packer is shared by all connections, so what one leaves behind would be submitted by the next one.
 */
import { assert, assertEquals } from "@std/assert";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import type { CommandSpec } from "../../internal/clients/command_spec.ts";
import { CommandNames } from "../../internal/clients/command_names.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { OK } from "../../internal/codec/reply.ts";
import { bulk, ClientStage, found, request } from "./stage.ts";

const set = (key: string, value = "v") => request("SET", key, value);
const get = (key: string) => request("GET", key);

/** What is said at once, and how it is submitted. */
const CUTS: readonly (readonly [what: string, said: string, batches: number[], keys: string[]])[] = [
  ["writes", set("a") + set("b") + set("c"), [3], ["a", "b", "c"]],
  ["reads", get("a") + get("b"), [2], ["a", "b"]],
  ["writes, a read, writes", set("a") + set("b") + get("c") + set("d") + set("e"), [2, 1, 2], [..."abcde"]],
  ["different reads", get("a") + request("STRLEN", "b") + request("MGET", "c", "d"), [3], ["a", "b", "c"]],
  ["different writes", request("DEL", "a") + request("APPEND", "b", "x") + set("c"), [3], ["a", "b", "c"]],
  ["a name in any case", request("sEt", "a", "v") + request("SET", "b", "v"), [2], ["a", "b"]],
  ["a write that must be planned", set("a") + request("INCR", "b") + set("c"), [1, 1, 1], ["a", "b", "c"]],
  [
    "a SET with options",
    set("a") + request("SET", "b", "v", "NX") + set("c") + set("d"),
    [1, 1, 2],
    ["a", "b", "c", "d"],
  ],
  ["a read whose answer is translated", get("a") + request("TTL", "b") + get("c"), [1, 1, 1], [
    "a",
    "b",
    "c",
  ]],
  ["lines between arrays", set("a") + "SET b v\r\n" + set("c"), [1, 1, 1], ["a", "b", "c"]],
  ["an answer of our own between", set("a") + request("PING") + set("b") + set("c"), [1, 2], ["a", "b", "c"]],
  ["an error between", get("a") + request("GET") + request("NOPE", "x") + get("b"), [1, 1], ["a", "b"]],
  ["nonsense behind", set("a") + set("b") + "*x\r\n", [2], ["a", "b"]],
  ["half a command behind", set("a") + set("b") + set("c").slice(0, -3), [2], ["a", "b"]],
];

for (const [what, said, batches, keys] of CUTS) {
  Deno.test(`submitted as ${batches}: ${what}`, () => {
    const stage = new ClientStage();
    stage.connect().says(said);
    assertEquals([stage.backend.batches, stage.backend.keys], [batches, keys]);
  });
}

Deno.test("answers to batches, to planned commands and our own leave in the order of the requests", () => {
  const stage = new ClientStage();
  const { backend } = stage;
  const client = stage.connect().says(
    set("a") + set("b") + request("PING") + get("c") + request("INCR", "d"),
  );
  const [a, b, c, d] = backend.submitted;
  backend.answer(d, { type: "integer", value: 1 });
  backend.answer(c, found("C"));
  stage.pass();
  assertEquals(client.writes, []);
  backend.answer(a, OK);
  stage.pass();
  assertEquals(client.take(), "+OK\r\n", "an answer at the front waits for no other of its batch");
  backend.answer(b, { type: "null" });
  stage.pass();
  assertEquals(client.take(), `$-1\r\n+PONG\r\n${bulk("C")}:1\r\n`);
});

Deno.test("a batch is bounded in commands and in bytes", () => {
  const stage = new ClientStage();
  stage.connect().says(set("k").repeat(300));
  assertEquals(stage.backend.batches, [128, 128, 44]);
  stage.backend.batches.length = 0;
  stage.connect().says(set("k", "x".repeat(20 * 1024)).repeat(5));
  assertEquals(stage.backend.batches, [2, 2, 1]);
  stage.backend.batches.length = 0;
  stage.connect().says(set("k", "x".repeat(100 * 1024)).repeat(2));
  assertEquals(stage.backend.batches, [1, 1]);
});

Deno.test("no more commands are packed than may wait", () => {
  const stage = new ClientStage({ commandsWaitingMax: 10 });
  const { backend } = stage;
  const client = stage.connect().says(get("k").repeat(25));
  assertEquals([backend.batches, client.paused], [[10], true]);
  for (let i = 0; i < 25; i++) {
    backend.answer(backend.submitted[i], OK);
    stage.pass();
    assert(backend.waiting.length <= 10);
  }
  assertEquals([client.heard, client.paused, backend.submitted.length], ["+OK\r\n".repeat(25), false, 25]);
});

Deno.test("several clients in one turn: their batches do not mix, and stay as they were given", () => {
  const random = new SeededRandom("batches");
  const stage = new ClientStage();
  const clients = Array.from({ length: 5 }, () => stage.connect());
  const expected = clients.map(() => "");
  const asked: string[] = [];
  for (let i = 0; i < 400; i++) {
    const who = random.below(clients.length);
    const keys = Array.from({ length: random.between(1, 6) }, (_, j) => `${who}/${i}/${j}`);
    clients[who]?.says(keys.map((key) => set(key, key.repeat(random.below(40)))).join(""));
    expected[who] += keys.map(bulk).join("");
    asked.push(...keys);
  }
  // Everything is looked at only now, when the packer has long gone on.
  assertEquals(stage.backend.keys, asked);
  for (const [i, one] of stage.backend.submitted.entries()) stage.backend.answer(one, found(asked[i] ?? ""));
  stage.pass();
  assertEquals(clients.map(({ heard }) => heard), expected);
});

Deno.test("a name is found in any case, and nothing else is", () => {
  const plan: CommandSpec["plan"] = () => ({ kind: "answer", reply: OK });
  const names = ["get", "set", "getset", "flushall", "unlink", "x"];
  const specs = names.map((name): CommandSpec => ({
    name,
    arity: 1,
    access: "read",
    keys: [0, 0, 0],
    direct: null,
    plan,
  }));
  const table = new CommandNames(specs);
  const find = (text: string) => table.find(bytesOfLatin1(`--${text}--`), 2, 2 + text.length)?.name;
  for (const name of names) {
    assertEquals([find(name), find(name.toUpperCase())], [name, name]);
    for (let place = 0; place < name.length; place++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = name.slice(0, place) + String.fromCharCode(byte) + name.slice(place + 1);
        const lower = changed.toLowerCase();
        const isName = /^[A-Za-z]+$/.test(changed) && names.includes(lower);
        assertEquals(find(changed), isName ? lower : undefined, JSON.stringify(changed));
      }
    }
    for (const other of [`${name}s`, name.slice(1), `${name}\0`, name.repeat(2), name.repeat(1000)]) {
      assertEquals(find(other), names.includes(other) ? other : undefined, JSON.stringify(other));
    }
  }
  assertEquals(find(""), undefined);
});
