/**
 * Kind: unit and property.
 *
 * Invariant: what is kept of commands that are not complete is within a budget over all clients; while half of it is in use, whoever does not
 * complete its command in time is cut off with one clear error, and nobody else; what was cut off never happens.
 *
 * Learnt: a pipeline that is cut in mid-command, chunk after chunk, always has something half sent and is never slow: each command
 * has a time of its own.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { OK } from "../../internal/codec/reply.ts";
import { ClientStage, type FakeConnection } from "./stage.ts";

const LIMITS = { halfSentBytesMax: 100_000, halfSentMs: 10_000 };

/** The beginning of a SET that is not complete, with so many bytes of its value. */
function begun(bytes: number): string {
  return `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$90000\r\n${"v".repeat(bytes)}`;
}

function refusals(client: FakeConnection): number {
  return client.heard.split("-ERR ").length - 1;
}

Deno.test("while there is memory for it, a client may take as long as it likes for a command", () => {
  const stage = new ClientStage(LIMITS);
  const client = stage.connect().says(begun(20_000));
  for (let hour = 0; hour < 24; hour++) {
    stage.pass(3_600_000);
    client.says("v");
  }
  client.says(`${"v".repeat(90_000 - 20_024)}\r\n`);
  stage.pass();
  assertEquals([client.heard, client.closed, stage.backend.submitted.length], ["", false, 1]);
});

Deno.test("while memory is short, a client that does not complete its command in time is cut off, and nobody else", () => {
  const stage = new ClientStage(LIMITS);
  const slow = stage.connect().says(begun(45_000));
  stage.pass(5000);
  const other = stage.connect().says(begun(40_000));
  const idle = stage.connect().says("PI");
  stage.pass(4999);
  assertEquals([slow.heard, other.heard, idle.heard], ["", "", ""]);
  stage.pass(1);
  assertEquals(slow.ends, 1);
  assertMatch(
    slow.heard,
    /^-ERR \d+ bytes of commands that are not complete are kept for all clients; this one was begun 10 s ago, before the others: it did not happen, send it again\r\n$/,
  );
  assertMatch(stage.traces.join("\n"), /^warn: cut off a client that was slow to send: /);
  // There is memory again: the other one may take its time.
  stage.pass(60_000);
  other.says(`${"v".repeat(50_000)}\r\n`);
  idle.says("NG\r\n");
  slow.says(`${"v".repeat(45_000)}\r\n`);
  stage.pass();
  assertEquals([other.heard, idle.heard, refusals(slow)], ["", "+PONG\r\n", 1]);
  assertEquals(stage.backend.submitted.length, 1);
});

Deno.test("above the budget who began first is cut off at once, behind what it asked before", () => {
  const stage = new ClientStage(LIMITS);
  const first = stage.connect().says(`GET a\r\n${begun(45_000)}`);
  const second = stage.connect().says(begun(45_000));
  stage.pass(1);
  assertEquals([first.heard, first.ends, second.heard], ["", 0, ""]);
  const third = stage.connect().says(begun(45_000));
  stage.pass(1);
  assertEquals([first.heard, first.ends, second.heard, third.heard], ["", 0, "", ""]);
  stage.backend.answer(stage.backend.submitted[0], OK);
  stage.pass(1);
  assertMatch(first.heard, /^\+OK\r\n-ERR \d+ bytes [^\r\n]*\r\n$/);
  assertEquals([first.ends, second.ends, third.ends], [1, 0, 0]);
});

Deno.test("who is gone keeps nothing, and takes nobody's room", () => {
  const stage = new ClientStage(LIMITS);
  stage.connect().says(begun(45_000)).breaks();
  stage.pass();
  for (let i = 0; i < 2; i++) stage.connect().says(begun(45_000));
  stage.pass(1);
  assertEquals(stage.traces, []);
});

Deno.test("a pipeline that is cut in mid-command is never slow, and what waits for us is no slow sender's", () => {
  const stage = new ClientStage({ ...LIMITS, commandsWaitingMax: 2 });
  const answers = () => {
    for (const asked of [...stage.backend.waiting]) stage.backend.answer(asked, OK);
    stage.pass();
  };
  const set = (bytes: number) => `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${bytes}\r\n${"v".repeat(bytes)}\r\n`;
  const [long, short] = [set(70_000), set(5000)];
  const slow = stage.connect().says(begun(2000));
  // Memory is short all the time, by somebody who completes what it began and begins anew.
  const steady = stage.connect().says(long.slice(0, 60_000));
  const pipeline = stage.connect().says(short.slice(0, 4000));
  for (let i = 0; i < 30; i++) {
    steady.says(long.slice(60_000) + long.slice(0, 60_000));
    pipeline.says(short.slice(4000) + short.slice(0, 4000));
    stage.pass(1000);
    answers();
  }
  assertEquals([slow, steady, pipeline].map(refusals), [1, 0, 0]);
  // Nobody answers: it is paused with whole commands, which is not its fault.
  pipeline.says(short.slice(4000) + short.repeat(3) + short.slice(0, 4000));
  stage.pass(1);
  assertEquals(pipeline.paused, true);
  const later = stage.connect().says(begun(60_000));
  stage.pass(15_000);
  answers();
  stage.pass(1);
  answers();
  assertEquals([steady, pipeline, later].map(refusals), [1, 0, 1]);
});

for (let seed = 0; seed < 10; seed++) {
  Deno.test(`whatever clients do, what is kept is within the budget, and what was cut off did not happen, seed ${seed}`, () => {
    const random = new SeededRandom(`half sent/${seed}`);
    const stage = new ClientStage({ halfSentBytesMax: 60_000, halfSentMs: 100 });
    const clients: { readonly connection: FakeConnection; left: number; said: number }[] = [];
    let [cut, whole] = [0, 0];
    for (let step = 0; step < 400; step++) {
      const at = Math.min(random.below(14), clients.length);
      const one = clients[at] ??= { connection: stage.connect(), left: 0, said: 0 };
      const { connection } = one;
      if (connection.ends > 0 || connection.closed || random.chance(1, 40)) {
        cut += refusals(connection);
        if (!connection.closed) connection.breaks();
        clients.splice(at, 1);
      } else if (one.left === 0) {
        one.left = random.between(2000, 20_000);
        connection.says(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${one.left}\r\n`);
      } else {
        const part = random.chance(1, 2) ? one.left : random.between(1, one.left);
        one.left -= part;
        one.said = one.left === 0 ? 0 : one.said + part;
        if (one.left === 0) whole++;
        connection.says("v".repeat(part) + (one.left === 0 ? "\r\n" : ""));
      }
      stage.pass(random.chance(1, 3) ? random.between(1, 60) : 0);
      for (const asked of [...stage.backend.waiting]) stage.backend.answer(asked, OK);
      stage.pass();
      let sum = 0;
      for (const { connection, said } of clients) if (connection.ends === 0) sum += said;
      assert(sum <= 60_000 + 14 * 1024, `${sum} bytes are kept`);
      assertEquals(stage.backend.submitted.length, whole);
    }
    assert(cut > 0, "somebody was slow");
  });
}
