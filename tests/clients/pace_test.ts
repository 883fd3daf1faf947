/**
 * Kind: unit (the room between hands, in virtual time).
 *
 * Invariant: however much clients ask, a turn of the loop takes a bounded number of commands, of one and of all, and those who wait go on in their
 * order; no more answers are under way for a client than may wait for it, as far as their length can be known.
 *
 * Learnt: a turn that goes on as long as there is something to do goes on as long as a client wants: a million commands at once kept a
 * leader from its heartbeats for half a second. And a thousand reads of a megabyte each are a gigabyte, before the first is taken.
 */
import { assert, assertEquals } from "@std/assert";
import { Pace } from "../../internal/clients/pace.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";
import { ClientStage, request } from "./stage.ts";

const OF_ONE = 1024;
const OF_ALL = 4096;

/** Counts how many commands are answered in each turn of the loop: what happens between two timers. */
function commandsPerTurn(stage: ClientStage, clients: readonly { take(): string }[]): number[][] {
  const turns: number[][] = [];
  while (stage.time.step(stage.time.now)) {
    const counts = clients.map((client) => client.take().split("+PONG").length - 1);
    turns.push(counts);
  }
  return turns;
}

Deno.test("one client gets so many commands in a turn, then another turn comes; all are answered in the end", () => {
  const stage = new ClientStage();
  const client = stage.connect();
  client.says("PING\r\n".repeat(10_000));
  assert(client.paused);
  const counts = commandsPerTurn(stage, [client]).map(([count = 0]) => count);
  assertEquals(counts.reduce((a, b) => a + b, 0), 10_000);
  for (const count of counts) assert(count <= OF_ONE, `${count} in one turn`);
  assert(!client.paused);
});

Deno.test("who asks little does not wait behind who asks much, be they ever so many", () => {
  const stage = new ClientStage();
  const loud = Array.from({ length: 30 }, () => stage.connect());
  const quiet = stage.connect();
  for (const client of loud) client.says("PING\r\n".repeat(20_000));
  quiet.says("PING\r\n");
  const turns = commandsPerTurn(stage, [quiet, ...loud]);
  const first = turns.findIndex(([count = 0]) => count > 0);
  const before = turns.slice(0, first + 1).flatMap(([, ...others]) => others).reduce((a, b) => a + b, 0);
  // It was taken in the first turn; the next one may begin before its answer is written.
  assert(before <= 2 * (OF_ALL + OF_ONE) + 30 * 64, `${before} commands of others were answered before it`);
  assertEquals(turns.flat().reduce((a, b) => a + b, 0), 600_001);
  const most = Math.max(...turns.map((counts) => counts.reduce((a, b) => a + b, 0)));
  // Each of thirty may begin with a few.
  assert(most <= OF_ALL + OF_ONE + 30 * 64, `${most} in one turn`);
});

Deno.test("where those who ask little are too many, they wait too", () => {
  const stage = new ClientStage();
  const clients = Array.from({ length: 1000 }, () => stage.connect());
  for (const client of clients) client.says("PING\r\n".repeat(50));
  const turns = commandsPerTurn(stage, clients);
  const most = Math.max(...turns.map((counts) => counts.reduce((a, b) => a + b, 0)));
  assert(most <= 16_384 + 64, `${most} in one turn`);
  assertEquals(turns.flat().reduce((a, b) => a + b, 0), 50_000);
});

Deno.test("all clients together get so many commands in a turn; who waits goes on in its order", () => {
  const time = new VirtualTime();
  const pace = new Pace(new LifeClock(time));
  const shares = Array.from({ length: 20 }, () => pace.share());
  for (const share of shares) pace.took(share, 64);
  const order: number[] = [];
  let turn = 0;
  shares.forEach((share, i) => {
    if (pace.isOver(share)) {
      return pace.wait(() => {
        order.push(i);
        pace.took(share, OF_ONE);
      });
    }
    pace.took(share, OF_ONE);
    turn++;
    assert(pace.isOver(share), "it had its share");
  });
  // What each asked at first counts as well.
  assertEquals(turn, 3);
  const perTurn: number[] = [];
  for (let before = 0; time.step(time.now); before = order.length) perTurn.push(order.length - before);
  assertEquals(order, Array.from({ length: 17 }, (_, i) => i + 3));
  assertEquals(perTurn.filter((count) => count > 0), [4, 4, 4, 4, 1]);
});

Deno.test("a client that breaks while it waits for its turn is forgotten", () => {
  const stage = new ClientStage();
  const client = stage.connect();
  client.says("PING\r\n".repeat(10_000));
  client.breaks();
  stage.pass(10);
  assert(client.heard.split("+PONG").length - 1 <= OF_ONE);
  assertEquals(stage.ask("PING"), "+PONG\r\n");
});

Deno.test("commands with long answers are asked a few at a time, and answered all", () => {
  const stage = new ClientStage();
  const { backend } = stage;
  const long = "v".repeat(400_000);
  backend.answerer = backend.perform;
  const writer = stage.connect().says(request("SET", "long", long) + request("SET", "short", "s"));
  stage.pass();
  assertEquals(writer.take(), "+OK\r\n+OK\r\n");
  backend.answerer = null;
  const client = stage.connect().says("GET long\r\n".repeat(20) + "GET short\r\n".repeat(5));
  let most = 0;
  let rounds = 0;
  while (backend.waiting.length > 0) {
    most = Math.max(most, backend.waiting.length);
    for (const one of backend.waiting) backend.perform(one);
    rounds++;
    stage.pass();
    client.drain();
    stage.pass();
  }
  // Three of them are more than a megabyte; the last two long ones wait with the five short ones.
  assertEquals(most, 7);
  assertEquals(rounds, 7);
  assertEquals(client.heard.split("$400000").length - 1, 20);
  assert(!client.closed && !client.paused);
});

Deno.test("a client that takes no answers has no more of them under way than may wait", () => {
  const stage = new ClientStage();
  const { backend } = stage;
  backend.answerer = backend.perform;
  stage.connect().says(request("SET", "long", "v".repeat(400_000)));
  stage.pass();
  const client = stage.connect();
  client.takes = false;
  client.says("GET long\r\n".repeat(1000));
  stage.pass(1000);
  assert(client.bytesQueued < 2_000_000, `${client.bytesQueued} bytes wait`);
  assert(client.paused && !client.closed);
});

Deno.test("commands that are long, and those that are answered long, count as several", () => {
  const stage = new ClientStage();
  const { backend } = stage;
  backend.answerer = backend.perform;
  const megabyte = "v".repeat(1_000_000);
  const submittedIn = (text: string) => {
    const client = stage.connect();
    const before = backend.submitted.length;
    client.says(text);
    const submitted = backend.submitted.length - before;
    stage.pass(100);
    client.drain();
    stage.pass(100);
    return [submitted, backend.submitted.length - before];
  };
  const set = request("SET", "long", megabyte);
  // A megabyte is about a client's share of a turn; what was taken is counted when the next one comes.
  assertEquals(submittedIn(set.repeat(5)), [3, 5]);
  assertEquals(submittedIn("GET long\r\n".repeat(2)), [2, 2]);
});
