/**
 * Kind: unit and property (one connection, its network and its cluster played by hand).
 *
 * Invariant: answers leave in the order of the requests, whenever they come; all of one turn leave in one write; how the requests were cut
 * changes nothing.
 *
 * Learnt: an answer that is there at once (PING) must not overtake one that is not.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/base/assert.ts";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { OK } from "../../internal/codec/reply.ts";
import { chunkings, randomChunks } from "../codec/support.ts";
import { latin1Of } from "../../internal/base/latin1.ts";
import { bulk, ClientStage, found, request } from "./stage.ts";

Deno.test("answers that come out of order leave in order, and none before its turn", () => {
  const stage = new ClientStage();
  const { backend } = stage;
  const client = stage.connect().says("GET a\r\nSET b 1\r\nPING\r\nGET c\r\n");
  assertEquals(backend.submitted.map(({ access }) => access), ["read", "write", "read"]);
  assertEquals(backend.keys, ["a", "b", "c"]);
  const [a, b, c] = backend.submitted;
  backend.answer(c, found("C"));
  stage.pass();
  backend.answer(b, OK);
  stage.pass();
  assertEquals(client.writes, []);
  backend.answer(a, found("A"));
  stage.pass();
  assertEquals(client.writes, [`${bulk("A")}+OK\r\n+PONG\r\n${bulk("C")}`]);
});

Deno.test("all answers of one turn leave in one write, those of another in another", () => {
  const stage = new ClientStage();
  const client = stage.connect().says("PING\r\nPING a\r\n").says("GET k\r\nPING b\r\n");
  stage.pass();
  assertEquals(client.writes, [`+PONG\r\n${bulk("a")}`]);
  stage.backend.answer(stage.backend.submitted[0], found("v"));
  assertEquals(client.writes.length, 1);
  stage.pass();
  assertEquals(client.writes.slice(1), [bulk("v") + bulk("b")]);
});

Deno.test("an answer that comes before `submit` returns has its place too", () => {
  const stage = new ClientStage();
  stage.backend.answerer = (command) => stage.backend.answer(command, OK);
  const client = stage.connect().says("SET a 1\r\nPING\r\nSET b 2\r\n");
  stage.pass();
  assertEquals(client.take(), "+OK\r\n+PONG\r\n+OK\r\n");
});

Deno.test("a command is answered once", () => {
  const stage = new ClientStage();
  stage.connect().says("GET a\r\n");
  const [command] = stage.backend.submitted;
  stage.backend.answer(command, OK);
  assertThrows(() => stage.backend.answer(command, OK), AssertionError, "once");
});

Deno.test("each connection has an order of its own, and its commands share it", () => {
  const stage = new ClientStage();
  const [one, other] = [stage.connect(), stage.connect()];
  one.says("SET a 1\r\nGET a\r\n");
  other.says("GET a\r\n");
  const [first, second, third] = stage.backend.submitted.map(({ order }) => order);
  assertEquals([stage.backend.orders, first === second, first === third], [2, true, false]);
});

Deno.test("answers to a client that is gone go nowhere", () => {
  const stage = new ClientStage();
  const client = stage.connect().says("GET a\r\nGET b\r\n");
  client.breaks();
  stage.pass();
  for (const command of stage.backend.submitted) stage.backend.answer(command, OK);
  stage.pass(10_000);
  assertEquals(client.writes, []);
});

/** A pipeline of commands, some answered at once, some by the cluster, and what is to come back. */
function randomPipeline(
  random: Random,
  length: number,
): { readonly requests: string; readonly replies: string } {
  let [requests, replies] = ["", ""];
  for (let i = 0; i < length; i++) {
    const name = `n${i}`;
    const kind = random.below(4);
    requests += kind === 0
      ? request("ECHO", name)
      : kind === 1
      ? `echo ${name}\r\n`
      : kind === 2
      ? request("GET", name)
      : `get "${name}"\r\n`;
    replies += bulk(name);
  }
  return { requests, replies };
}

for (let seed = 0; seed < 25; seed++) {
  Deno.test(`random pipelines, cut and answered at random, seed ${seed}`, () => {
    const random = new SeededRandom(`order/${seed}`);
    const { requests, replies } = randomPipeline(random, 60);
    const stage = new ClientStage({ commandsWaitingMax: random.between(1, 20) });
    const { backend } = stage;
    const client = stage.connect();
    const chunks = randomChunks(random, bytesOfLatin1(requests), random.between(1, 400));
    let said = 0;
    for (let turns = 0; client.heard.length < replies.length; turns++) {
      if (turns > 20_000) throw new Error(`stuck after ${client.heard}`);
      const chunk = chunks[said];
      if (chunk !== undefined && !client.paused && random.chance(1, 2)) {
        client.says(latin1Of(chunk));
        said++;
      }
      const { waiting } = backend;
      const chosen = waiting[random.below(waiting.length || 1)];
      if (chosen !== undefined && random.chance(1, 2)) {
        backend.answer(chosen, found(backend.keys[backend.submitted.indexOf(chosen)] ?? ""));
      }
      if (random.chance(1, 2)) stage.pass();
    }
    assertEquals(client.heard, replies);
    assertEquals([client.ends, client.closed], [0, false]);
  });
}

const CONVERSATION = [
  ["SET k v\r\n", "+OK\r\n"],
  [request("GET", "k"), bulk("v")],
  ["\r\n", ""],
  [request("MGET", "k", "none"), `*2\r\n${bulk("v")}$-1\r\n`],
  ["*0\r\n", ""],
  ["incr n\n", ":1\r\n"],
  [request("SET", "bin", "\r\n$3\r\n\0\xff"), "+OK\r\n"],
  ["strlen bin\r\n", ":8\r\n"],
  ["GET\r\n", "-ERR wrong number of arguments for 'get' command\r\n"],
  ["nope 'a b'\r\n", "-ERR unknown command 'nope', with args beginning with: 'a b' \r\n"],
  [request("PING", "x"), bulk("x")],
] as const;

Deno.test("a pipeline cut at every byte, and byte by byte, is answered the same", () => {
  const requests = CONVERSATION.map(([text]) => text).join("");
  const replies = CONVERSATION.map(([, reply]) => reply).join("");
  for (const chunks of chunkings(bytesOfLatin1(requests))) {
    // The next chunk may come in the same turn or later; the cluster may answer at once or later.
    for (const sameTurn of [true, false]) {
      for (const atOnce of [true, false]) {
        const stage = new ClientStage();
        const { backend } = stage;
        backend.answerer = atOnce
          ? backend.perform
          : (command) => stage.clock.soon(() => backend.perform(command));
        const client = stage.connect();
        for (const chunk of chunks) {
          client.says(latin1Of(chunk));
          if (!sameTurn) stage.pass();
        }
        stage.pass();
        assertEquals(client.heard, replies, `cut as ${chunks.map(({ length }) => length)}`);
      }
    }
  }
});
