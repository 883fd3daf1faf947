/**
 * Kind: unit (one node, its disk and its peers played by hand) and property.
 *
 * Invariant: commands that were submitted together stand in one entry, are forwarded together and share their fate: each is answered once, in
 * order, and all as certainly as one. Bounds count commands and bytes, not batches.
 *
 * Learnt: the number of replies that comes back is the other side's word; too few would leave a client without an answer.
 */
import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import type { ReplySlot } from "../../internal/clients/backend.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { decodeCommandBatch, encodeCommandBatch } from "../../internal/codec/command_batch.ts";
import { decodeReplies, encodeReplies, NULL, OK, type Reply } from "../../internal/codec/reply.ts";
import { Pending } from "../../internal/node/pending.ts";
import { entriesOf } from "../../internal/node/turn.ts";
import { Order, Waiter } from "../../internal/node/waiter.ts";
import { join } from "../codec/support.ts";
import { batchOf, command, NodeStage } from "./node_stage.ts";

/** Submits commands together; gives the first words of their answers, as they come. */
function askAll(
  stage: NodeStage,
  kind: "set" | "get",
  keys: readonly string[],
  order = stage.node.newOrder(),
) {
  const words: string[] = [];
  const batch = join(...keys.map((key) => command(kind, key, `of ${key}`)));
  const slot: ReplySlot = { answer: (reply) => words.push(wordOf(reply)) };
  stage.node.submit(order, kind === "set" ? "write" : "read", batchOf(batch, keys.length), slot);
  stage.pass(0);
  return words;
}

function wordOf(reply: Reply): string {
  if (reply.type === "error" || reply.type === "simple") return reply.text.split(" ")[0] ?? "";
  return reply.type === "bulk" ? new TextDecoder().decode(reply.bytes) : reply.type;
}

Deno.test("a leader puts what is submitted together into one entry, and answers each command in its order", () => {
  const stage = new NodeStage();
  stage.lead();
  stage.acknowledge();
  const { lastIndex } = stage.node.status();
  const [writes, reads] = [askAll(stage, "set", ["a", "b", "c"]), askAll(stage, "get", ["b", "none", "a"])];
  const [entry, ...more] = stage.writes.at(-1)?.append ?? [];
  assertEquals([entry?.index, more.length], [lastIndex + 1, 0]);
  assertEquals(decodeCommandBatch(entry?.payload ?? new Uint8Array(0)).length, 3);
  assertEquals([writes, reads], [[], []]);
  stage.sync();
  stage.acknowledge();
  assertEquals(writes, ["OK", "OK", "OK"]);
});

Deno.test("a turn's batches share an entry, and each client gets the answers to its own", () => {
  const stage = new NodeStage();
  stage.lead();
  stage.acknowledge();
  const given: string[][] = [];
  const before = stage.writes.length;
  // Within one turn: nothing passes between the two.
  for (const keys of [["a"], ["b", "c"]]) {
    const words: string[] = [];
    given.push(words);
    const batch = join(...keys.map((key) => command("set", key, "v")));
    stage.node.submit(stage.node.newOrder(), "write", batchOf(batch, keys.length), {
      answer: (reply) => words.push(wordOf(reply)),
    });
  }
  stage.pass(0);
  assertEquals(stage.writes.slice(before).map(({ append }) => append.length), [1]);
  stage.sync();
  stage.acknowledge();
  assertEquals(given, [["OK"], ["OK", "OK"]]);
});

Deno.test("a follower forwards a batch under one number, and hands on its replies in their order", () => {
  const stage = new NodeStage();
  stage.follow("n2", 1);
  const reads = askAll(stage, "get", ["a", "b", "c"]);
  const [sent] = stage.take("forwardRequest");
  const [batch, ...more] = sent?.requests ?? [];
  assertEquals([batch?.count, batch?.access, more.length], [3, "read", 0]);
  const replies = encodeReplies([{ type: "bulk", bytes: new TextEncoder().encode("A") }, NULL, OK]);
  stage.hears("n2", {
    kind: "forwardResponse",
    life: sent?.life ?? 0,
    responses: [{ requestId: batch?.requestId ?? 0, replies }],
  });
  assertEquals(reads, ["A", "null", "OK"]);
});

for (const count of [0, 1, 3]) {
  Deno.test(`${count} replies to two writes leave both in doubt`, () => {
    const stage = new NodeStage();
    stage.follow("n2", 1);
    const writes = askAll(stage, "set", ["a", "b"]);
    const [sent] = stage.take("forwardRequest");
    const replies = encodeReplies(new Array<Reply>(count).fill(OK));
    stage.hears("n2", {
      kind: "forwardResponse",
      life: sent?.life ?? 0,
      responses: [{ requestId: sent?.requests[0]?.requestId ?? 0, replies }],
    });
    assertEquals(writes, ["UNKNOWN", "UNKNOWN"]);
  });
}

Deno.test("a batch that was refused for certain is sent again as a whole", () => {
  const stage = new NodeStage();
  stage.follow("n2", 1);
  const writes = askAll(stage, "set", ["a", "b"]);
  const [first] = stage.take("forwardRequest");
  const refusal: Reply = { type: "error", text: "NOLEADER n2 does not lead term 1" };
  stage.hears("n2", {
    kind: "forwardResponse",
    life: first?.life ?? 0,
    responses: [{
      requestId: first?.requests[0]?.requestId ?? 0,
      replies: encodeReplies([refusal, refusal]),
    }],
  });
  stage.pass(60);
  const [second] = stage.take("forwardRequest");
  assertEquals(second?.requests[0]?.commands, first?.requests[0]?.commands);
  assertEquals([second?.requests.length, second?.requests[0]?.count, writes], [1, 2, []]);
});

Deno.test("a leader answers a forwarded batch with a reply for each command, under its number", () => {
  const stage = new NodeStage();
  const term = stage.lead();
  stage.acknowledge();
  stage.take("forwardResponse");
  const commands = join(command("set", "a", "v"), command("set", "b", "v"));
  const batch = { requestId: 4, access: "write", afterRequestId: 0, count: 2, commands } as const;
  stage.hears("n2", { kind: "forwardRequest", term, life: 7, requests: [batch] });
  stage.sync();
  stage.acknowledge();
  assertEquals(stage.take("forwardResponse"), [
    { kind: "forwardResponse", life: 7, responses: [{ requestId: 4, replies: encodeReplies([OK, OK]) }] },
  ]);
});

for (const access of ["read", "write"] as const) {
  Deno.test(`answers that are too long for a frame are told to be: ${access}s`, () => {
    const stage = new NodeStage({ forwardAnswerBytesMax: 1000 });
    const term = stage.lead();
    const value = "v".repeat(400);
    stage.ask("set", "long", value);
    stage.sync();
    stage.acknowledge();
    stage.take("forwardResponse");
    const asked = (requestId: number, count: number) => {
      const one = access === "read" ? command("get", "long") : encodeCommandBatch([
        encodeCommand(Operation.set, ["long", value, "G"].map((text) => new TextEncoder().encode(text))),
      ]);
      const commands = join(...Array.from({ length: count }, () => one));
      stage.hears("n2", {
        kind: "forwardRequest",
        term,
        life: 7,
        requests: [{ requestId, access, afterRequestId: 0, count, commands }],
      });
      stage.sync();
      stage.acknowledge();
      const round = stage.sent.map(({ message }) => message).findLast(({ kind }) =>
        kind === "appendEntriesRequest"
      );
      if (round?.kind === "appendEntriesRequest") stage.acknowledge(round.round);
      const [response] = stage.take("forwardResponse").flatMap(({ responses }) => responses);
      return decodeReplies(response?.replies ?? new Uint8Array(0));
    };
    const [two, three] = [asked(4, 2), asked(5, 3)];
    assert(typeof two !== "string" && typeof three !== "string");
    assertEquals(two.map(wordOf), [value, value]);
    assertEquals(three.map(wordOf), new Array(3).fill(access === "read" ? "ERR" : "UNKNOWN"));
  });
}

Deno.test("the bound on what waits counts commands; a batch that does not fit is refused as a whole", () => {
  const stage = new NodeStage({ pendingCommandsMax: 5, requestTimeoutMs: 400 });
  stage.follow("n2", 1);
  const first = askAll(stage, "set", ["a", "b", "c"]);
  const second = askAll(stage, "set", ["d", "e", "f"]);
  const third = askAll(stage, "get", ["g", "h"]);
  assertEquals([first, second, third], [[], ["BUSY", "BUSY", "BUSY"], []]);
  stage.pass(600);
  assertEquals([first, third], [["UNKNOWN", "UNKNOWN", "UNKNOWN"], ["NOLEADER", "NOLEADER"]]);
  assertEquals(askAll(stage, "get", ["a", "b", "c", "d", "e"]), []);
});

/** Waiters whose commands lie side by side in one piece of memory, now and then with a gap. */
function packedWaiters(random: SeededRandom): Waiter[] {
  const bytes = new Uint8Array(3000).map(() => random.below(256));
  const waiters: Waiter[] = [];
  for (let at = 0; at < bytes.length;) {
    const from = at + (random.chance(1, 5) ? random.below(9) : 0);
    at = Math.min(bytes.length, from + random.between(1, 200));
    if (at > from) {
      waiters.push(
        new Waiter(
          "write",
          { bytes, from, to: at, count: 1 },
          new Order(),
          { answer: () => {} },
          0,
          { kind: "leader" },
          false,
        ),
      );
    }
  }
  return waiters;
}

function randomWaiters(random: SeededRandom): Waiter[] {
  return Array.from({ length: random.between(1, 30) }, () => {
    const bytes = new Uint8Array(random.between(1, 3000)).fill(random.below(256));
    const from = random.below(bytes.length);
    const batch = { bytes, from, to: random.between(from, bytes.length), count: random.between(1, 20) };
    const slot = { answer: () => {} };
    return new Waiter("write", batch, new Order(), slot, 0, { kind: "leader" }, false);
  });
}

Deno.test("writes are cut into as few entries as their bounds allow, in order, and no batch is cut", () => {
  const random = new SeededRandom("entries");
  for (let i = 0; i < 500; i++) {
    const waiters = random.chance(1, 2) ? randomWaiters(random) : packedWaiters(random);
    const [commandsMax, bytesMax] = [random.between(1, 100), random.between(1, 10_000)];
    const entries = entriesOf(waiters, commandsMax, bytesMax);
    assertEquals(entries.flatMap((entry) => entry.waiters), waiters);
    for (const [j, { waiters: together, payload }] of entries.entries()) {
      const joined = together.flatMap(({ batch: { bytes, from, to } }) => [...bytes.subarray(from, to)]);
      assertEquals([...payload], joined);
      const count = together.reduce((sum, one) => sum + one.count, 0);
      const bytes = joined.length;
      assert(together.length === 1 || (count <= commandsMax && bytes <= bytesMax));
      const next = entries[j + 1]?.waiters[0];
      if (next === undefined) continue;
      assert(
        count + next.count > commandsMax || bytes + next.byteLength > bytesMax,
        "the next one fits",
      );
    }
  }
});

Deno.test("what waits is listed in its order and counted, whoever leaves when", () => {
  const random = new SeededRandom("pending");
  const pending = new Pending();
  const model: Waiter[] = [];
  for (let i = 0; i < 2000; i++) {
    const [waiter] = randomWaiters(random);
    assert(waiter !== undefined);
    if (random.chance(1, 2)) {
      pending.add(waiter);
      model.push(waiter);
    } else {
      const [gone] = model.splice(random.below(model.length || 1), 1);
      pending.remove(gone ?? waiter);
      pending.remove(waiter);
    }
    assertEquals(pending.list(), model);
    assertEquals(pending.oldest, model[0] ?? null);
    assertEquals(pending.commands, model.reduce((sum, { count }) => sum + count, 0));
    assertEquals(pending.bytes, model.reduce((sum, { byteLength }) => sum + byteLength, 0));
  }
});

Deno.test("a follower asks for no more long answers at once than there is room for; short ones and other clients do not wait", () => {
  const stage = new NodeStage({ forwardExpectedBytesMax: 20_000 });
  const encoder = new TextEncoder();
  stage.machine.apply(
    encodeCommand(Operation.set, ["long", "v".repeat(9000), ""].map((text) => encoder.encode(text))),
  );
  stage.follow("n2", 1);
  stage.take("forwardRequest");
  const sent = () =>
    stage.take("forwardRequest").flatMap(({ life, requests }) =>
      requests.map((request) => ({ life, ...request }))
    );
  const clients = Array.from({ length: 4 }, () => stage.node.newOrder());
  const reads = clients.map((order) => askAll(stage, "get", ["long"], order));
  // The third and the fourth wait, and so does what the third asks behind it; whoever asks for little does not.
  const behind = askAll(stage, "set", ["a"], clients[2]);
  const other = askAll(stage, "get", ["short"]);
  const first = sent();
  assertEquals(first.map(({ count, access }) => [count, access]), [[1, "read"], [1, "read"], [1, "read"]]);
  const answer = (
    { life, requestId }: { readonly life: number; readonly requestId: number },
    reply: Reply,
  ) => {
    stage.hears("n2", {
      kind: "forwardResponse",
      life,
      responses: [{ requestId, replies: encodeReplies([reply]) }],
    });
    stage.pass(0);
  };
  const [one, two, three] = first;
  if (one === undefined || two === undefined || three === undefined) {
    throw new Error("unreachable: there are three");
  }
  answer(three, NULL);
  assertEquals([other, sent()], [["null"], []]);
  answer(one, NULL);
  const next = sent();
  assertEquals(next.map(({ access }) => access), ["read", "write"]);
  answer(two, NULL);
  assertEquals(sent().map(({ access }) => access), ["read"]);
  assertEquals([reads, behind], [[["null"], ["null"], [], []], []]);
});

Deno.test("long reads that wait for room are refused for certain when their time is over, and their room is given back", () => {
  const stage = new NodeStage({ forwardExpectedBytesMax: 10_000, requestTimeoutMs: 400 });
  const encoder = new TextEncoder();
  stage.machine.apply(
    encodeCommand(Operation.set, ["long", "v".repeat(9000), ""].map((text) => encoder.encode(text))),
  );
  stage.follow("n2", 1);
  const words = Array.from({ length: 3 }, () => askAll(stage, "get", ["long"]));
  for (let i = 0; i < 10; i++) {
    stage.pass(50);
    stage.follow("n2", 1);
  }
  assertEquals(words, [["NOLEADER"], ["NOLEADER"], ["NOLEADER"]]);
  stage.take("forwardRequest");
  askAll(stage, "get", ["long"]);
  assertEquals(stage.take("forwardRequest").length, 1);
});
