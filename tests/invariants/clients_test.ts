/**
 * Kind: unit (table-driven).
 *
 * Invariant: the properties of what clients are told (I5, I23, I26, I28, I29, I36, I38) catch a hand-made violation and let the legal
 * neighbour pass.
 *
 * Learnt: nothing yet.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { ExitCode, Refusal } from "../../internal/base/errors.ts";
import { checkKept, type Outcome } from "./acknowledged_is_kept.ts";
import { BoundedStaleness } from "./bounded_staleness.ts";
import { checkPipeline, ClientOrder, type Placed } from "./client_order.ts";
import { checkAnswers, checkOutcome, checkStop } from "./error_discipline.ts";
import { ExactlyOnce } from "./exactly_once.ts";
import { Violation } from "./ghost.ts";
import { NoPhantom } from "./no_phantom.ts";
import { checkContents, SameState } from "./same_state.ts";

Deno.test("exactly once: a value is applied once, whoever applies it", () => {
  const property = new ExactlyOnce();
  property.applied("v1;", "n1/1");
  property.applied("v2;", "n1/1");
  assertThrows(() => property.applied("v1;", "n2/1"), Violation, "n2/1 applies v1; twice");
});

Deno.test("no phantom: what is applied was asked for, what is read was applied", () => {
  const property = new NoPhantom();
  property.asked("v1;");
  property.asked("v2;");
  property.applied("v1;", "n1/1");
  property.told("v1;", "read of k");
  assertThrows(() => property.applied("v3;", "n1/1"), Violation, "n1/1 applies what nobody asked: v3;");
  assertThrows(() => property.told("v2;", "read of k"), Violation, "read of k is answered with v2;");
});

Deno.test("client order: nothing is answered from before what had been told when it was asked", () => {
  const property = new ClientOrder();
  assertEquals(property.floorOf("k"), 0);
  const early = property.floorOf("k");
  property.answered("client 1", "k", 3, 0);
  assertEquals(property.floorOf("k"), 3);
  property.answered("client 2", "k", 1, early);
  assertEquals(property.floorOf("k"), 3, "an old answer to an old question takes nothing back");
  property.answered("client 2", "other", 0, property.floorOf("other"));
  const stale = () => property.answered("client 2", "k", 2, property.floorOf("k"));
  assertThrows(stale, Violation, "client 2 is answered with k at position 2; position 3 had been told");
  property.answered("client 2", "k", 3, 3);
});

const r = (position: number): Placed => ({ kind: "read", position });
const w = (position: number): Placed => ({ kind: "write", position });

for (
  const [name, answered] of [
    ["its own write", [w(1), r(1), w(2), r(2)]],
    ["later writes", [w(1), r(4), w(5)]],
    ["twice the same", [r(2), r(2)]],
    ["nothing", []],
  ] as const
) {
  Deno.test(`pipeline: in order: ${name}`, () => checkPipeline("k", answered));
}
for (
  const [name, answered] of [
    ["a read before its own write", [w(2), r(1)]],
    ["a read that sees what comes after it", [w(1), r(3), w(2)]],
    ["a write in the place of the one before", [w(2), w(2)]],
    ["a read that goes back", [r(3), r(2)]],
  ] as const
) {
  Deno.test(`pipeline: out of order: ${name}`, () => {
    assertThrows(() => checkPipeline("k", answered), Violation, "a pipeline on k");
  });
}

const outcome = (kind: Outcome["kind"], value: string, said: Outcome["outcome"]): Outcome => ({
  kind,
  value,
  outcome: said,
});
const applied = (...values: string[]) => (value: string) => values.includes(value);

Deno.test("acknowledged is kept: a write that was acknowledged is there; others may be", () => {
  const operations = [
    outcome("write", "v1;", "ok"),
    outcome("write", "v2;", "unknown"),
    outcome("write", "v3;", "refused"),
    outcome("read", "", "ok"),
  ];
  checkKept(operations, applied("v1;"));
  checkKept(operations, applied("v1;", "v2;"));
  assertThrows(() => checkKept(operations, applied("v2;")), Violation, "v1; was acknowledged and is lost");
});

Deno.test("error discipline: what was refused never happened, everybody is answered, a read is never in doubt", () => {
  const refused = [outcome("write", "v1;", "refused"), outcome("write", "v2;", "unknown")];
  checkAnswers(refused, applied("v2;"));
  assertThrows(() => checkAnswers(refused, applied("v1;")), Violation, "v1; was refused and is applied");
  const pending = [outcome("write", "v1;", "pending")];
  assertThrows(() => checkAnswers(pending, applied()), Violation, "v1; was never answered");
  assertThrows(
    () => checkAnswers([outcome("read", "", "pending")], applied()),
    Violation,
    "a read was never answered",
  );
  checkOutcome(outcome("write", "v1;", "unknown"));
  checkOutcome(outcome("read", "", "refused"));
  assertThrows(
    () => checkOutcome(outcome("read", "", "unknown")),
    Violation,
    "a read has an unknown outcome",
  );
});

Deno.test("error discipline: a process that stops says why in one line, with a code of the list", () => {
  checkStop("n1", new Refusal(ExitCode.diskIo, "cannot write the log"));
  for (
    const [error, says] of [
      [new Error("whatever"), "n1 stopped without a refusal"],
      [new Refusal(ExitCode.diskIo, "two\nlines"), "n1 stopped with code 74 and a text that is not one line"],
      [new Refusal(ExitCode.diskIo, ""), "a text that is not one line"],
    ] as const
  ) assertThrows(() => checkStop("n1", error), Violation, says);
});

const bytes = (...values: number[]) => Uint8Array.from(values);

Deno.test("same state: machines apply the same commands in the same order and answer the same", () => {
  const property = new SameState();
  assertEquals(property.applies(0, bytes(1, 2), "n1/1"), true);
  property.replied(0, "OK", "n1/1");
  assertEquals(property.applies(0, bytes(1, 2), "n2/1"), false);
  property.replied(0, "OK", "n2/1");
  assertEquals([property.applies(1, bytes(3), "n2/1"), property.count], [true, 2]);
  assertThrows(() => property.applies(1, bytes(4), "n1/1"), Violation, "another command as its 1-th");
  assertThrows(() => property.applies(1, bytes(3, 0), "n1/1"), Violation, "another command");
  assertThrows(
    () => property.applies(3, bytes(5), "n1/1"),
    Violation,
    "n1/1 applies command 3, the order has 2",
  );
  assertThrows(() => property.replied(0, "ERR", "n3/1"), Violation, "n3/1 answers command 0 with ERR");
});

Deno.test("same state: in the end everybody holds the same", () => {
  checkContents(new Map([["n1", "a=1"], ["n2", "a=1"]]));
  checkContents(new Map());
  assertThrows(
    () => checkContents(new Map([["n1", "a=1"], ["n2", "a=2"]])),
    Violation,
    "n2 and n1 applied the same",
  );
});

Deno.test("bounded staleness: a read lacks nothing that was acknowledged longer ago than its bound", () => {
  const property = new BoundedStaleness(50);
  property.told("k", 1, 1000);
  property.told("k", 2, 2000);
  property.told("k", 1, 2500);
  property.read("client 1", "k", 2, 2100, 50);
  property.read("client 1", "k", 1, 2100, 100);
  property.read("client 1", "other", 0, 2100, 0);
  property.read("client 1", "k", 1, 2104, 100);
  assertThrows(
    () => property.read("client 1", "k", 1, 2110, 100),
    Violation,
    "client 1 reads k at position 1, at most 100 ms old; position 2 had been told 110 ms before it asked",
  );
  assertThrows(() => property.read("client 1", "k", 1, 2000.1, 0), Violation, "position 2 had been told");
});
