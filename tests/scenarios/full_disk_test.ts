/**
 * Kind: unit (directed scenarios).
 *
 * Invariant: a server without room for entries follows all the same: it stays loyal, votes, says truly what it has, and gives its leader no
 * reason to send the same again and again; it takes entries as soon as there is room. A leader leads on and appends its own.
 *
 * Learnt: to refuse instead makes a leader look for the place where the logs agree, with a window of entries at each try.
 */
import { assert, assertEquals } from "@std/assert";
import { decodeMessage, encodeMessage } from "../../internal/codec/message_codec.ts";
import { agreed, append, askVote, Stage } from "./stage.ts";

/** What A answers to the last AppendEntries. */
function answers(a: Stage): readonly (readonly [success: boolean, matchIndex: number])[] {
  return a.said().map(({ message }) => message).filter(({ kind }) => kind === "appendEntriesResponse")
    .map((message) => {
      const read = decodeMessage(encodeMessage(message));
      assert(typeof read !== "string" && read.kind === "appendEntriesResponse", "it is well formed");
      return [read.success, read.matchIndex] as const;
    });
}

/** A has 1:1 2:1, of which the first is committed, and no room. */
function crowded(): Stage {
  const a = new Stage({ term: 1, log: "1:1 2:1" });
  a.hears("B", append(1, "1:1", "", 1)).room(false);
  a.heard();
  return a;
}

for (
  const { what, message, log, match, commit } of [
    {
      what: "entries behind its log",
      message: append(1, "2:1", "3:1 4:1", 2),
      log: "1:1 2:1",
      match: 2,
      commit: 2,
    },
    {
      what: "entries of which it has some",
      message: append(1, "1:1", "2:1 3:1", 3),
      log: "1:1 2:1",
      match: 2,
      commit: 2,
    },
    {
      what: "entries that would replace some of its own",
      message: append(2, "1:1", "2:2", 2),
      log: "1:1 2:1",
      match: 1,
      commit: 1,
    },
    {
      what: "entries behind what it lacks",
      message: append(1, "4:1", "5:1", 5),
      log: "1:1 2:1",
      match: 1,
      commit: 1,
    },
    {
      what: "a heartbeat behind what it lacks",
      message: append(1, "9:1", "", 9),
      log: "1:1 2:1",
      match: 1,
      commit: 1,
    },
    {
      what: "a heartbeat behind an entry that is not its own",
      message: append(2, "2:2", "", 2),
      log: "1:1 2:1",
      match: 1,
      commit: 1,
    },
  ]
) {
  Deno.test(`without room: ${what} is answered by what is there`, () => {
    const a = crowded();
    a.hears("B", message).stable();
    assertEquals(answers(a), [[true, match]]);
    assertEquals([a.log, a.view.commitIndex, a.view.leaderId], [log, commit, "B"]);
  });
}

Deno.test("without room: what is of an older term is refused as ever, and votes are given", () => {
  const a = new Stage({ term: 4, log: "1:1 2:1" }).room(false);
  a.hears("B", append(3, "2:1", "3:3")).stable();
  assertEquals(answers(a), [[false, 0]]);
  a.hears("C", askVote(5, 3, 3)).stable();
  assertEquals(
    a.said().map(({ message }) => message.kind === "requestVoteResponse" && message.voteGranted),
    [true],
  );
});

Deno.test("with room again it takes what it lacks", () => {
  const a = crowded();
  a.hears("B", append(1, "2:1", "3:1")).stable();
  a.room(true).hears("B", append(1, "2:1", "3:1 4:1", 4)).stable();
  assertEquals(answers(a), [[true, 2], [true, 4]]);
  assertEquals([a.log, a.view.commitIndex], ["1:1 2:1 3:1 4:1", 4]);
});

Deno.test("a leader without room leads: its own entries are few", () => {
  const a = new Stage({ term: 1, log: "1:1" }).room(false).elected(["B"]);
  a.stable();
  a.hears("B", agreed(2, 2));
  assertEquals([a.view.role, a.log, a.view.commitIndex], ["leader", "1:1 2:2", 2]);
});

Deno.test("a follower that stays where it is is sent no more than a window", () => {
  const a = new Stage({ term: 1, log: "1:1", settings: { inFlightMessagesMax: 3, appendEntriesMax: 1 } });
  a.elected(["B", "C"]).stable();
  a.hears("B", agreed(2, 2));
  a.hears("C", agreed(2, 2));
  for (let i = 1; i <= 20; i++) a.write(i);
  a.heard();
  let sent = 0;
  for (let i = 0; i < 100; i++) {
    // It acknowledges what is committed, whatever it is asked.
    a.hears("B", agreed(2, 2, 0, 5));
    if (i % 10 === 0) a.timeout();
    for (const { to, message } of a.said()) {
      if (to === "B" && message.kind === "appendEntriesRequest") sent += message.entries.length;
    }
  }
  assertEquals(sent, 0);
});
