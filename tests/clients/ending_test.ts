/**
 * Kind: unit (one connection, its network and its cluster played by hand).
 *
 * Invariant: what was received whole before the client ended its side, said QUIT or sent nonsense is answered, then our side ends, once;
 * what comes afterwards is not read; a client that does not go is put out.
 *
 * Learnt: `printf 'SET k v\r\n' | nc -N` ends its side before the cluster has answered: ending at once would lose the answer.
 */
import { assertEquals } from "@std/assert";
import { OK } from "../../internal/codec/reply.ts";
import { bulk, ClientStage, type FakeConnection, found, request } from "./stage.ts";

/** What a client sees of the end. */
const end = ({ heard, ends, closed }: FakeConnection) => ({ heard, ends, closed });

Deno.test("everything that was received whole is answered before our side ends", () => {
  const stage = new ClientStage();
  const { backend } = stage;
  const client = stage.connect().says("GET a\r\nGET b\r\nGET c");
  client.saysNoMore();
  stage.pass();
  assertEquals([backend.keys, client.ends], [["a", "b"], 0]);
  backend.answer(backend.submitted[1], found("B"));
  stage.pass();
  assertEquals(end(client), { heard: "", ends: 0, closed: false });
  backend.answer(backend.submitted[0], found("A"));
  stage.pass();
  assertEquals(end(client), { heard: bulk("A") + bulk("B"), ends: 1, closed: false });
  stage.pass(4999);
  assertEquals(client.closed, false);
  stage.pass(1);
  assertEquals(end(client), { heard: bulk("A") + bulk("B"), ends: 1, closed: true });
});

Deno.test("a client that asks nothing and ends is ended", () => {
  const stage = new ClientStage();
  const client = stage.connect().saysNoMore();
  stage.pass();
  assertEquals(end(client), { heard: "", ends: 1, closed: false });
});

Deno.test("answers that are there and the end of the client's side in one turn", () => {
  const stage = new ClientStage();
  const client = stage.connect().says("PING\r\nPING a\r\n").saysNoMore();
  stage.pass();
  assertEquals(end(client), { heard: `+PONG\r\n${bulk("a")}`, ends: 1, closed: false });
});

Deno.test("a client that ends while it is not read from is answered in full", () => {
  const stage = new ClientStage({ commandsWaitingMax: 2 });
  const { backend } = stage;
  const client = stage.connect().says("GET k1\r\nGET k2\r\nGET k3\r\n").says("GET k4\r\nGET k5\r\nGET k6");
  assertEquals(client.paused, true);
  client.saysNoMore();
  for (let i = 0; i < 5; i++) {
    assertEquals(client.ends, 0);
    backend.answer(backend.submitted[i], OK);
    stage.pass();
  }
  assertEquals(backend.keys, ["k1", "k2", "k3", "k4", "k5"]);
  assertEquals(end(client), { heard: "+OK\r\n".repeat(5), ends: 1, closed: false });
});

Deno.test("a client that ends while it takes nothing is answered in full once it takes", () => {
  const stage = new ClientStage({ outputPauseBytes: 10 });
  const client = stage.connect();
  client.takes = false;
  client.says("ECHO one\r\nECHO two\r\nECHO three\r\n").saysNoMore();
  stage.pass();
  assertEquals([client.heard, client.ends], [bulk("one") + bulk("two"), 0]);
  for (let turn = 0; turn < 2; turn++) {
    client.drain();
    stage.pass();
  }
  assertEquals(end(client), { heard: bulk("one") + bulk("two") + bulk("three"), ends: 1, closed: false });
});

Deno.test("QUIT is answered after what came before it, and nothing after it is read", () => {
  const stage = new ClientStage();
  const { backend } = stage;
  const client = stage.connect().says(`GET a\r\n${request("QUIT")}SET b 1\r\n`);
  client.says("SET c 1\r\n");
  stage.pass();
  assertEquals([backend.keys, client.heard, client.ends], [["a"], "", 0]);
  backend.answer(backend.submitted[0], found("A"));
  stage.pass();
  assertEquals(end(client), { heard: `${bulk("A")}+OK\r\n`, ends: 1, closed: false });
  client.says("SET d 1\r\n").saysNoMore();
  stage.pass(5000);
  assertEquals(end(client), { heard: `${bulk("A")}+OK\r\n`, ends: 1, closed: true });
  assertEquals(backend.keys, ["a"]);
});

const NONSENSE: readonly (readonly [bytes: string, error: string])[] = [
  ["*x\r\n", "invalid multibulk length"],
  ["*1\r\n:5\r\n", "expected '$', got ':'"],
  ["*1\r\n$-1\r\n", "invalid bulk length"],
  ["*1\r\n$99999999999\r\n", "invalid bulk length, the limit is 8388608 bytes"],
  ["*2000000\r\n", "invalid multibulk length, the limit is 1048576 arguments"],
  ["SET k 'v\r\n", "unbalanced quotes in request"],
];

for (const [bytes, error] of NONSENSE) {
  Deno.test(`${JSON.stringify(bytes)} is answered once, after what came before it, and ends the connection`, () => {
    const stage = new ClientStage();
    const { backend } = stage;
    const client = stage.connect().says(`GET a\r\nPING\r\n${bytes}`);
    client.says("SET b 1\r\nPING\r\n").says(bytes);
    stage.pass();
    assertEquals([client.heard, client.ends], ["", 0]);
    backend.answer(backend.submitted[0], found("A"));
    stage.pass();
    const heard = `${bulk("A")}+PONG\r\n-ERR Protocol error: ${error}\r\n`;
    assertEquals(end(client), { heard, ends: 1, closed: false });
    client.says("PING\r\n");
    stage.pass(5000);
    assertEquals([end(client), backend.keys], [{ heard, ends: 1, closed: true }, ["a"]]);
  });
}

Deno.test("a connection that breaks on its own end is not ended again", () => {
  const stage = new ClientStage();
  const client = stage.connect().says("QUIT\r\n");
  client.breaks();
  stage.pass(10_000);
  assertEquals(end(client), { heard: "", ends: 0, closed: true });
});
