/**
 * Kind: unit (tables).
 *
 * Invariant: how fresh a read has to be is what its connection or its command asked for, on that connection and that command only; a write is
 * never touched by it; what an operator asks goes to the cluster as it was said; words that mean nothing change nothing.
 *
 * Learnt: RESET has to undo READONLY too, as in Redis, since pools hand connections on.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { bulk, ClientStage, type FakeConnection, request, type Submitted } from "./stage.ts";

/** A conversation on one connection, and how fresh each command had to be. */
class Talk {
  readonly stage = new ClientStage();
  readonly client: FakeConnection = this.stage.connect();
  readonly modes: string[] = [];

  constructor() {
    const { backend } = this.stage;
    backend.answerer = (submitted: Submitted) => {
      const { reads } = submitted;
      this.modes.push(reads.kind === "stale" ? `stale ${reads.ms}` : reads.kind);
      backend.perform(submitted);
    };
  }

  ask(...words: readonly string[]): string {
    this.client.says(request(...words));
    this.stage.pass();
    return this.client.take();
  }
}

const MODES: readonly (readonly [words: string, mode: string])[] = [
  ["READONLY", "follower"],
  ["readonly", "follower"],
  ["READONLY LEASE", "lease"],
  ["readonly lease", "lease"],
  ["READONLY STALE 0", "stale 0"],
  ["READONLY STALE 1500", "stale 1500"],
  ["READWRITE", "leader"],
];

for (const [words, mode] of MODES) {
  Deno.test(`${words}: reads of this connection are ${mode} until it says otherwise`, () => {
    const talk = new Talk();
    assertEquals(talk.ask("GET", "k"), "$-1\r\n");
    assertEquals(talk.ask(...words.split(" ")), "+OK\r\n");
    talk.ask("GET", "k");
    talk.ask("GET", "k");
    assertEquals(talk.ask("READWRITE"), "+OK\r\n");
    talk.ask("GET", "k");
    assertEquals(talk.modes, ["leader", mode, mode, "leader"]);
  });
}

Deno.test("the freshness of one connection is not that of another, and RESET undoes it", () => {
  const talk = new Talk();
  talk.ask("READONLY");
  const other = talk.stage.connect();
  other.says(request("GET", "k"));
  talk.stage.pass();
  talk.ask("RESET");
  talk.ask("GET", "k");
  assertEquals(talk.modes, ["leader", "leader"]);
});

const NONSENSE: readonly (readonly [words: string, answer: RegExp])[] = [
  ["READONLY NOW", /^-ERR READONLY takes nothing, LEASE, or STALE and milliseconds\r\n$/],
  ["READONLY LEASE 5", /^-ERR READONLY takes nothing/],
  ["READONLY STALE", /^-ERR the staleness is a whole number of milliseconds\r\n$/],
  ["READONLY STALE -1", /^-ERR the staleness/],
  ["READONLY STALE 1.5", /^-ERR the staleness/],
  ["READONLY STALE 5 6", /^-ERR READONLY takes nothing/],
  ["READWRITE NOW", /^-ERR wrong number of arguments/],
  ["STALE 5", /^-ERR wrong number of arguments/],
  ["STALE x GET k", /^-ERR the staleness/],
  ["STALE 5 SET k v", /^-ERR STALE is for commands that read keys\r\n$/],
  ["STALE 5 PING", /^-ERR STALE is for commands that read keys\r\n$/],
  ["STALE 5 STALE 5 GET k", /^-ERR/],
  ["STALE 5 NOTHING", /^-ERR unknown command/],
  ["STALE 5 GET", /^-ERR wrong number of arguments/],
];

for (const [words, answer] of NONSENSE) {
  Deno.test(`${words} is refused in one line and changes nothing`, () => {
    const talk = new Talk();
    assertMatch(talk.ask(...words.split(" ")), answer);
    talk.ask("GET", "k");
    assertEquals(talk.modes, ["leader"]);
  });
}

Deno.test("STALE answers with the age and the reply; the next command is as before", () => {
  const talk = new Talk();
  talk.ask("SET", "k", "v");
  assertEquals(talk.ask("STALE", "500", "GET", "k"), `*2\r\n:7\r\n${bulk("v")}`);
  assertEquals(talk.ask("STALE", "500", "EXISTS", "k", "none"), "*2\r\n:7\r\n:1\r\n");
  assertEquals(talk.ask("GET", "k"), bulk("v"));
  assertEquals(talk.modes.slice(1), ["stale 500", "stale 500", "leader"]);
});

Deno.test("commands of several kinds in one go keep their order and their freshness", () => {
  const talk = new Talk();
  const words = [["SET", "k", "1"], ["STALE", "9", "GET", "k"], ["GET", "k"], ["READONLY"], ["GET", "k"]];
  for (const each of words) talk.client.says(request(...each));
  talk.stage.pass();
  assertEquals(talk.client.take(), `+OK\r\n*2\r\n:7\r\n${bulk("1")}${bulk("1")}+OK\r\n${bulk("1")}`);
  assertEquals(talk.modes.slice(1), ["stale 9", "leader", "follower"]);
});

Deno.test("RAFT AGE is how old this server's state may be, and nothing where nobody knows", () => {
  const talk = new Talk();
  assertEquals(talk.ask("RAFT", "AGE"), ":7\r\n");
  talk.stage.backend.age = null;
  assertEquals(talk.ask("RAFT", "AGE"), "$-1\r\n");
});

const ASKED = ["ADD n4 h:1", "REMOVE n4 IF 7", "TRANSFER", "PRIORITY n1 5", "REPLACE n1 n2 h:1"];

for (const words of ASKED) {
  Deno.test(`RAFT ${words} goes to the cluster as it was said, and its answer comes back in its place`, () => {
    const talk = new Talk();
    for (const each of [["PING"], ["RAFT", ...words.split(" ")], ["PING"]]) {
      talk.client.says(request(...each));
    }
    talk.stage.pass();
    assertEquals(talk.client.take(), `+PONG\r\n+OK ${words}\r\n+PONG\r\n`);
    assertEquals(talk.stage.backend.asked, [words.split(" ")]);
  });
}
