/**
 * Kind: unit (one connection, its network and its cluster played by hand).
 *
 * Invariant: a client that asks much or takes little is not read from until it catches up; one that lets its answers pile up is cut off, and
 * nobody else notices; the places for clients are counted.
 *
 * Learnt: what arrives although the connection is paused (the network may deliver what it had read) waits, in order, and is not lost.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { OK } from "../../internal/codec/reply.ts";
import { bulk, ClientStage, found } from "./stage.ts";

const gets = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `GET k${from + i}\r\n`).join("");

Deno.test("no more than the allowed number of commands wait, and reading goes on when half of them are answered", () => {
  const stage = new ClientStage({ commandsWaitingMax: 4 });
  const { backend } = stage;
  const client = stage.connect().says(gets(1, 10));
  stage.pass();
  assertEquals([backend.submitted.length, client.paused], [4, true]);
  const answer = (place: number) => {
    backend.answer(backend.submitted[place], found(`v${place + 1}`));
    stage.pass();
  };
  answer(0);
  assertEquals([backend.submitted.length, client.paused], [4, true]);
  answer(1);
  assertEquals([backend.submitted.length, backend.waiting.length, client.paused], [6, 4, true]);
  for (let place = 2; place < 10; place++) {
    answer(place);
    assert(backend.waiting.length <= 4);
  }
  assertEquals([backend.submitted.length, client.paused], [10, false]);
  assertEquals(client.heard, Array.from({ length: 10 }, (_, i) => bulk(`v${i + 1}`)).join(""));
  client.says("PING\r\n");
  stage.pass();
  assertEquals(client.heard.endsWith("+PONG\r\n"), true);
});

Deno.test("where one command may wait, they are taken one by one", () => {
  const stage = new ClientStage({ commandsWaitingMax: 1 });
  const client = stage.connect().says("GET a\r\n").says("GET b\r\n").says("GET c\r\n");
  const served: string[] = [];
  for (let i = 0; i < 3; i++) {
    assertEquals(stage.backend.submitted.length, i + 1);
    stage.backend.answer(stage.backend.submitted[i], found("v"));
    stage.pass();
    served.push(client.take());
  }
  assertEquals([served, client.paused], [new Array(3).fill(bulk("v")), false]);
});

Deno.test("what arrives while paused waits in order", () => {
  const stage = new ClientStage({ commandsWaitingMax: 2 });
  const { backend } = stage;
  const client = stage.connect().says("GET k1\r\nGET k2\r\nGET k3\r\nGE");
  assert(client.paused);
  client.says("T k4\r").says("\nGET k5\r\n").says("PING\r\n");
  while (backend.waiting.length > 0) {
    backend.answer(backend.waiting[0], OK);
    stage.pass();
  }
  assertEquals(backend.keys, ["k1", "k2", "k3", "k4", "k5"]);
  assertEquals([client.heard, client.paused], [`${"+OK\r\n".repeat(5)}+PONG\r\n`, false]);
});

Deno.test("a client that takes nothing is not read from, until it does", () => {
  const stage = new ClientStage({ outputPauseBytes: 100 });
  const client = stage.connect();
  client.takes = false;
  const echo = `ECHO ${"x".repeat(43)}\r\n`;
  const reply = bulk("x".repeat(43));
  assertEquals(reply.length, 50);
  client.says(echo.repeat(5));
  stage.pass();
  assertEquals([client.heard, client.bytesQueued, client.paused], [reply.repeat(2), 100, true]);
  // The clock alone changes nothing.
  stage.pass(60_000);
  assertEquals([client.heard.length, client.paused, client.closed], [100, true, false]);
  client.drain();
  stage.pass();
  assertEquals([client.heard, client.paused], [reply.repeat(4), true]);
  client.drain();
  stage.pass();
  assertEquals([client.heard, client.paused], [reply.repeat(5), false]);
  client.drain().says(echo);
  stage.pass();
  assertEquals(client.heard, reply.repeat(6));
});

Deno.test("answers that queue up keep little more memory than they have, but for the first", () => {
  const stage = new ClientStage({ outputPauseBytes: 1_000_000 });
  const client = stage.connect();
  client.takes = false;
  for (let i = 0; i < 20; i++) {
    client.says(`ECHO ${"x".repeat(50 + i)}\r\n`);
    stage.pass();
  }
  assertEquals(client.kept.length, 20);
  for (const bytes of client.kept.slice(1)) assert(bytes.buffer.byteLength <= 2 * bytes.length);
});

Deno.test("answers that were under way do not make it read on while the client takes nothing", () => {
  const stage = new ClientStage({ outputPauseBytes: 100, commandsWaitingMax: 2 });
  const { backend } = stage;
  const client = stage.connect();
  client.takes = false;
  client.says(gets(1, 4));
  for (const command of [...backend.submitted]) backend.answer(command, found("x".repeat(100)));
  stage.pass();
  assertEquals([backend.submitted.length, client.paused], [2, true]);
  client.takes = true;
  client.drain();
  stage.pass();
  assertEquals(backend.submitted.length, 4);
  for (const command of backend.waiting) backend.answer(command, OK);
  stage.pass();
  assertEquals(client.paused, false);
});

Deno.test("a client is cut off when its answers pile up above the limit, and not before; another one is served on", () => {
  const stage = new ClientStage({ outputBytesMax: 1000 });
  const { backend } = stage;
  const [slow, other] = [stage.connect(), stage.connect()];
  slow.takes = false;
  slow.says(gets(1, 4));
  other.says("GET other\r\n");
  const [first, second, third, fourth, others] = backend.submitted;
  backend.answer(first, found("x".repeat(500 - 8)));
  stage.pass();
  backend.answer(second, found("x".repeat(500 - 8)));
  stage.pass();
  assertEquals([slow.bytesQueued, slow.closed], [1000, false]);
  backend.answer(third, { type: "simple", text: "" });
  assertEquals(slow.closed, true);
  stage.pass();
  assertEquals(slow.heard.length, 1000);
  backend.answer(fourth, OK);
  backend.answer(others, OK);
  stage.pass(10_000);
  assertEquals([slow.heard.length, other.heard, other.closed], [1000, "+OK\r\n", false]);
  assertStringIncludes(stage.ask("INFO clients"), "connected_clients:2\r\n");
});

Deno.test("answers of one turn count before they are written", () => {
  const stage = new ClientStage({ outputBytesMax: 1000 });
  const client = stage.connect().says("GET a\r\nGET b\r\n");
  const [a, b] = stage.backend.submitted;
  stage.backend.answer(a, found("x".repeat(600)));
  assertEquals(client.closed, false);
  stage.backend.answer(b, found("x".repeat(600)));
  assertEquals([client.closed, client.writes], [true, []]);
});

Deno.test("one client too many is told so and let go; a place that becomes free is given again", () => {
  const stage = new ClientStage({ clientsMax: 2 });
  const [first, second] = [stage.connect(), stage.connect()];
  const third = stage.connect();
  third.says("SET k v\r\n");
  stage.pass();
  assertEquals([third.heard, third.ends], ["-ERR max number of clients reached\r\n", 1]);
  assertEquals(stage.backend.submitted, []);
  assertEquals(stage.traces, ["warn: refused a client: 2 clients are connected"]);
  stage.pass(5000);
  assertEquals(third.closed, true, "who does not go is put out");
  first.breaks();
  stage.pass();
  const fourth = stage.connect().says("PING\r\n");
  second.says("INFO stats\r\n");
  stage.pass();
  assertEquals(fourth.heard, "+PONG\r\n");
  for (
    const line of ["total_connections_received:4", "rejected_connections:1", "total_commands_processed:2"]
  ) {
    assertStringIncludes(second.heard, `${line}\r\n`);
  }
});

Deno.test("a server that stops accepts nobody, ends every connection, and says when they are gone", () => {
  const stage = new ClientStage();
  const [first, second] = [stage.connect(), stage.connect()];
  stage.listener.stopAccepting();
  assertEquals([stage.isListening, first.ends, second.ends], [false, 0, 0]);
  first.says("PING\r\n");
  stage.pass();
  assertEquals(first.heard, "+PONG\r\n");
  let gone = 0;
  stage.listener.stop(() => gone++);
  stage.pass();
  assertEquals([first.ends, second.ends, first.closed, gone], [1, 1, false, 0]);
  first.breaks();
  stage.pass();
  assertEquals(gone, 0);
  // The other one does not go by itself, and is cut off.
  stage.pass(10_000);
  assertEquals([second.closed, gone], [true, 1]);
});

Deno.test("a server that stops without clients says so at once", () => {
  let gone = 0;
  new ClientStage().listener.stop(() => gone++);
  assertEquals(gone, 1);
});

Deno.test("a client of a server that stops is told what it waits for, and what it still says is thrown away", () => {
  const stage = new ClientStage({ commandsWaitingMax: 2 });
  const client = stage.connect();
  for (const key of ["a", "b", "c"]) client.says(`SET ${key} 1\r\n`);
  stage.pass();
  assertEquals([client.paused, stage.backend.submitted.length], [true, 2]);
  for (const { slot } of stage.backend.submitted) slot.answer({ type: "error", text: "UNKNOWN stopping" });
  stage.listener.stop(() => {});
  client.says("SET d 1\r\n");
  stage.pass();
  assertEquals([client.heard, client.paused], ["-UNKNOWN stopping\r\n-UNKNOWN stopping\r\n", false]);
  assertEquals([client.ends, stage.backend.submitted.length], [1, 2]);
});
