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
import type { AppendEntriesResponse, Message } from "../../internal/raft/message.ts";

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

const appended = (changes: Partial<AppendEntriesResponse> = {}): Message => ({
  kind: "appendEntriesResponse",
  term: 2,
  requestTerm: 2,
  success: true,
  prevLogIndex: 4,
  round: 7,
  matchIndex: 4,
  hintIndex: 0,
  hintTerm: 0,
  epoch: 0,
  ...changes,
});
const refused = (prevLogIndex: number, round = 7) =>
  appended({ success: false, prevLogIndex, matchIndex: 0, round });
const installed = (matchIndex: number, round = 7): Message => ({
  kind: "installSnapshotResponse",
  term: 2,
  requestTerm: 2,
  round,
  matchIndex,
  epoch: 0,
});

Deno.test("of answers that wait for the same write the latest is held, if it says at least as much", () => {
  const cases: readonly { readonly was: Message; readonly is: Message; readonly held: number }[] = [
    { was: appended(), is: appended({ round: 8 }), held: 1 },
    { was: appended(), is: appended({ matchIndex: 5 }), held: 1 },
    { was: appended({ matchIndex: 5 }), is: appended({ round: 8 }), held: 2 },
    { was: appended({ round: 8 }), is: appended(), held: 2 },
    { was: appended(), is: appended({ term: 3, requestTerm: 3 }), held: 2 },
    { was: appended(), is: appended({ term: 3 }), held: 2 },
    { was: appended(), is: appended({ epoch: 1 }), held: 2 },
    { was: appended(), is: refused(4), held: 2 },
    { was: refused(9), is: refused(9, 8), held: 1 },
    { was: refused(9), is: refused(8, 8), held: 2 },
    { was: installed(0), is: installed(0, 8), held: 1 },
    { was: installed(0), is: installed(3), held: 1 },
    { was: installed(3), is: installed(0, 8), held: 2 },
    { was: appended(), is: installed(9, 8), held: 2 },
    { was: vote(2), is: vote(2), held: 2 },
  ];
  for (const { was, is, held: expected } of cases) {
    const held = new HeldMessages();
    held.hold({ to: "n2", message: was, after: 1 });
    held.hold({ to: "n2", message: is, after: 1 });
    const released = held.release(1);
    assertEquals(released.length, expected, JSON.stringify([was, is]));
    assertEquals(released.at(-1)?.message, is);
  }
});

Deno.test("an answer to another server, or one that waits for another write, takes no place", () => {
  for (const [to, after] of [["n3", 1], ["n2", 2]] as const) {
    const held = new HeldMessages();
    held.hold({ to: "n2", message: appended(), after: 1 });
    held.hold({ to, message: appended(), after });
    assertEquals(held.release(2).length, 2);
  }
});

Deno.test("a disk that stands still while the leader asks for rounds holds no more than one answer", () => {
  const held = new HeldMessages();
  for (let round = 1; round <= 10_000; round++) {
    held.hold({ to: "n2", message: appended({ round }), after: 1 });
  }
  assertEquals(held.release(1).map(({ message }) => message), [appended({ round: 10_000 })]);
});
