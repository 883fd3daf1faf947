/**
 * Kind: unit.
 *
 * Invariant: a message that waits for a write leaves when that write is stable, in its order, and not with an earlier one.
 *
 * Learnt: with one write under way at a time, as most tests have it, "its write" and "some write" are the same; a mutant
 * (promise-leaves-with-the-next-write) went through all of them.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { HeldMessages } from "../../internal/node/held_messages.ts";

const vote = (term: number) => ({ kind: "requestVoteResponse", term, voteGranted: true }) as const;

Deno.test("each of several writes under way releases its own messages", () => {
  const held = new HeldMessages();
  for (const after of [1, 2, 2, 4]) held.hold({ to: "n2", message: vote(after), after });
  const released = (upTo: number) => held.release(upTo).map(({ after }) => after);
  assertEquals(released(0), []);
  assertEquals(released(1), [1]);
  assertEquals(released(1), []);
  assertEquals(released(3), [2, 2]);
  assertEquals(released(9), [4]);
});

Deno.test("messages are held in the order of their writes", () => {
  const held = new HeldMessages();
  held.hold({ to: "n2", message: vote(1), after: 2 });
  assertThrows(() => held.hold({ to: "n2", message: vote(1), after: 1 }), Error, "order");
});
