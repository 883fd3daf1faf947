/**
 * Transcripts: a script of commands, and behind each command everything that happened because of it.
 *
 * A transcript is read beside the paper: a person can follow what every server did and why, and the difference between two versions
 * of one is the review of a change. `RAFTLINE_UPDATE=1` writes what happens now into the files; without it a difference is
 * a failure. What must be true is said by `expect`, so that no update can make a wrong transcript right.
 *
 * | command | what it does |
 * | --- | --- |
 * | `servers A B C` | servers that vote; `learners D`, `outside E` (knows nobody) may follow on lines of their own |
 * | `settings preVote=false ...` | before the servers |
 * | `log A 1:1 2:1 [vote B] [term 3]` | what a server's disk holds, after `servers` and before anything else |
 * | `elect A` | A campaigns until it leads, everything is delivered; prints nothing |
 * | `timeout A` | time moves on to A's alarm, and it rings |
 * | `pass MS` | time passes for all, messages arrive at once; prints only who changed |
 * | `wait MS` | time passes and nobody acts |
 * | `deliver` | all messages, and those that come of them; `deliver A B [KIND] [again]`: the oldest one from A to B |
 * | `drop A B [KIND]`, `show` | loses the oldest; lists the messages under way |
 * | `keep A B [KIND]`, `replay` | puts a copy of the oldest aside; delivers it once more, much later |
 * | `cut A B`, `oneway A B`, `mend A B`, `mend` | links; a cut link takes what is under way on it |
 * | `slow A`, `sync A [COUNT]`, `prompt A` | the disk waits for `sync`; or syncs by itself again |
 * | `crash A [KEPT]`, `start A` | KEPT unsynced writes survive |
 * | `write A X`, `read A`, `lease A` | a client's request, X one letter |
 * | `add A E [promote] [replaces B] [priority N]`, `remove A B`, `promote A B`, `demote A B`, `priority A B N` | asked of A; `if N` at the end |
 * | `transfer A [B]` | |
 * | `discard A N`, `fetch A B [N]` | A's log begins behind N; A gets a snapshot of B's that ends at N, or at what B knows to be committed |
 * | `expect A role=leader term=2 commit=3 last=3 log=1:1,2:2 leader=A voters=A,B first=1 match=B:3` | any of these, comma for lists |
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import type { Effect } from "../../internal/raft/effect.ts";
import type { ConfigurationChange } from "../../internal/raft/input.ts";
import type { Message } from "../../internal/raft/message.ts";
import { defaultSettings, type Settings } from "../../internal/raft/state.ts";
import type { ConfigurationValue, Entry, HardState, Member, ServerId } from "../../internal/raft/types.ts";
import { type Birth, type Envelope, Theatre } from "./theatre.ts";

/** Runs the commands of a transcript; gives the transcript as it should be. */
export function perform(text: string): string {
  const lines: string[] = [];
  const script = new Script();
  for (const line of text.split("\n")) {
    if (line.startsWith("  ")) continue;
    lines.push(line);
    const words = line.replace(/#.*$/, "").trim().split(/\s+/).filter((word) => word !== "");
    if (words.length === 0) continue;
    try {
      for (const said of script.take(words)) lines.push(`  ${said}`);
    } catch (cause) {
      throw new Error(`Cannot go on after "${line}": ${cause instanceof Error ? cause.message : cause}`, {
        cause,
      });
    }
  }
  return lines.join("\n");
}

function member(id: ServerId): Member {
  return { id, address: `${id}:1`, incarnation: "", priority: 100, promote: false, replaces: null };
}

class Script {
  #settings: Partial<Settings> = {};
  readonly #births = new Map<ServerId, Birth>();
  #theatre: Theatre | null = null;
  #said: string[] = [];
  #isQuiet = false;
  #requestId = 0;
  #kept: Envelope | null = null;

  take(words: readonly string[]): readonly string[] {
    this.#said = [];
    this.#do(words[0] ?? "", words.slice(1));
    return this.#said;
  }

  get #stage(): Theatre {
    this.#theatre ??= new Theatre([...this.#births.values()], this.#settings, (who, effect) => {
      if (!this.#isQuiet || effect.kind === "changed" || effect.kind === "configuration") {
        this.#said.push(`${who} ${shown(effect)}`);
      }
    });
    return this.#theatre;
  }

  #do(command: string, words: readonly string[]): void {
    const [a = "", b = "", c = ""] = words;
    const stage = () => this.#stage;
    switch (command) {
      case "settings":
        return this.#set(words);
      case "servers":
      case "learners":
      case "outside":
        return this.#cast(command, words);
      case "log":
        return this.#log(a, words.slice(1));
      case "timeout":
        return stage().timeout(a);
      case "elect":
        return this.#elect(a);
      case "wait":
        stage().now += Number(a);
        return;
      case "pass":
        this.#isQuiet = true;
        stage().pass(Number(a));
        this.#isQuiet = false;
        return;
      case "deliver":
        if (a === "") return stage().deliverAll();
        stage().deliver(this.#find(a, b, c === "again" ? "" : c), words.includes("again"));
        return;
      case "drop":
        stage().envelopes.splice(this.#find(a, b, c), 1);
        return;
      case "keep":
        this.#kept = must(stage().envelopes[this.#find(a, b, c)], "There is a message to keep");
        return;
      case "replay":
        return stage().arrive(must(this.#kept, "A message was kept"));
      case "show":
        for (const { from, to, message } of stage().envelopes) {
          this.#said.push(`${from} > ${to} ${shownMessage(message)}`);
        }
        return;
      case "cut":
        stage().cut(a, b);
        return stage().cut(b, a);
      case "oneway":
        return stage().cut(b, a);
      case "mend":
        if (a === "") return stage().mendAll();
        stage().mend(a, b);
        return stage().mend(b, a);
      case "slow":
        stage().actor(a).isPrompt = false;
        return;
      case "prompt":
        stage().actor(a).isPrompt = true;
        return stage().sync(a);
      case "sync":
        return stage().sync(a, b === "" ? Infinity : Number(b));
      case "crash":
        return stage().crash(a, Number(b || 0));
      case "start":
        return stage().restart(a);
      case "write":
        return this.#input(a, {
          kind: "clientRequest",
          requestId: ++this.#requestId,
          payloads: [new TextEncoder().encode(b)],
        });
      case "read":
      case "lease":
        return this.#input(a, {
          kind: "readRequest",
          requestId: ++this.#requestId,
          lease: command === "lease",
        });
      case "transfer":
        return this.#input(a, {
          kind: "transferLeadership",
          requestId: ++this.#requestId,
          to: b === "" ? null : b,
        });
      case "add":
      case "remove":
      case "promote":
      case "demote":
      case "priority":
        return this.#change(command, a, words.slice(1));
      case "discard":
        return stage().discard(a, Number(b));
      case "fetch":
        this.#said.push(`snapshot of ${stage().fetch(a, b, c === "" ? undefined : Number(c))}`);
        return;
      case "expect":
        return this.#expect(a, words.slice(1));
      default:
        throw new Error(`"${command}" is no command`);
    }
  }

  #elect(id: ServerId): void {
    const { raft } = this.#stage.actor(id);
    for (let tries = 0; raft.view().role !== "leader" && tries < 10; tries++) {
      this.#stage.timeout(id);
      this.#stage.deliverAll();
    }
    this.#said = [];
    if (raft.view().role !== "leader") throw new Error(`${id} is not elected`);
  }

  #input(id: ServerId, input: Parameters<Theatre["input"]>[1]): void {
    this.#stage.input(id, input);
  }

  #set(words: readonly string[]): void {
    for (const word of words) {
      const [name = "", value = ""] = word.split("=");
      const isKnown = (key: string): key is keyof Settings => key in defaultSettings;
      if (!isKnown(name)) throw new Error(`"${name}" is no setting`);
      this.#settings = {
        ...this.#settings,
        [name]: value === "true" || value === "false" ? value === "true" : Number(value),
      };
    }
  }

  #cast(how: string, ids: readonly ServerId[]): void {
    if (how === "outside") {
      for (const id of ids) this.#births.set(id, { id, configuration: null });
      return;
    }
    if (how === "servers") {
      const { voters } = configurationOfVoters(ids);
      const configuration = { voters, outgoing: [], learners: [], members: voters.map(member) };
      for (const id of ids) this.#births.set(id, { id, configuration });
      return;
    }
    const before = [...this.#births.values()];
    const value = before[0]?.configuration;
    if (value === undefined || value === null) throw new Error("learners need servers");
    const learners = [...ids].sort();
    const members = [...value.members, ...learners.map(member)].sort((x, y) => x.id < y.id ? -1 : 1);
    for (const id of [...this.#births.keys(), ...ids]) {
      this.#births.set(id, { id, configuration: { ...value, learners, members } });
    }
  }

  #log(id: ServerId, words: readonly string[]): void {
    const birth = this.#births.get(id);
    if (birth === undefined) throw new Error(`${id} is no server`);
    const entries: Entry[] = words.filter((word) => word.includes(":")).map((word) => {
      const [index = 0, term = 0] = word.split(":").map(Number);
      return {
        index,
        term,
        kind: "command",
        payload: Uint8Array.of(97 + term % 26),
        configuration: null,
        record: null,
      };
    });
    const after = (name: string) => words[words.indexOf(name) + 1] ?? "";
    const hardState: HardState = {
      currentTerm: words.includes("term") ? Number(after("term")) : entries.at(-1)?.term ?? 0,
      votedFor: words.includes("vote") ? after("vote") : null,
    };
    this.#births.set(id, { ...birth, entries, hardState });
  }

  #change(
    kind: "add" | "remove" | "promote" | "demote" | "priority",
    to: ServerId,
    words: readonly string[],
  ): void {
    const id = words[0] ?? "";
    const after = (name: string) => words.includes(name) ? words[words.indexOf(name) + 1] ?? "" : null;
    const ifIndex = after("if");
    const known = this.#stage.actor(to).raft.view().configuration.members.find((one) => one.id === id);
    const change: ConfigurationChange = kind === "add"
      ? {
        kind,
        member: {
          ...member(id),
          promote: words.includes("promote"),
          replaces: after("replaces"),
          priority: Number(after("priority") ?? 100),
        },
      }
      : kind === "priority"
      ? { kind: "update", members: [{ ...(known ?? member(id)), priority: Number(words[1]) }] }
      : { kind, id };
    this.#input(to, {
      kind: "changeConfiguration",
      requestId: ++this.#requestId,
      change,
      ifIndex: ifIndex === null ? null : Number(ifIndex),
    });
  }

  #find(from: ServerId, to: ServerId, kind: string): number {
    const { envelopes } = this.#stage;
    const place = envelopes.findIndex((one) =>
      one.from === from && one.to === to && shownMessage(one.message).startsWith(kind)
    );
    if (place < 0) throw new Error(`no ${kind || "message"} is under way from ${from} to ${to}`);
    return place;
  }

  #expect(id: ServerId, words: readonly string[]): void {
    const { raft, isUp } = this.#stage.actor(id);
    const view = raft.view();
    const log: string[] = [];
    for (let index = raft.log.snapshotIndex + 1; index <= raft.log.lastIndex; index++) {
      log.push(`${index}:${raft.log.termAt(index)}`);
    }
    const { voters, outgoing, learners } = view.configuration;
    const facts: Readonly<Record<string, string>> = {
      up: String(isUp),
      role: view.role,
      term: String(view.currentTerm),
      vote: view.votedFor ?? "-",
      leader: view.leaderId ?? "-",
      commit: String(view.commitIndex),
      last: String(view.lastIndex),
      first: String(view.snapshotIndex + 1),
      log: log.join(","),
      voters: voters.join(","),
      outgoing: outgoing.join(","),
      learners: learners.join(","),
      match: [...view.matchIndexes].map(([peer, index]) => `${peer}:${index}`).join(","),
    };
    const expected = Object.fromEntries(words.map((word) => {
      const [name = "", value = ""] = word.split("=");
      if (!(name in facts)) throw new Error(`nothing is known of "${name}"`);
      return [name, value];
    }));
    const found = Object.fromEntries(Object.keys(expected).map((name) => [name, facts[name]]));
    assertEquals(found, expected, `${id} is not as expected`);
  }
}

/* ---- how things are shown ---- */

function shown(effect: Effect): string {
  switch (effect.kind) {
    case "write": {
      const parts: string[] = [];
      const { hardState, reset, truncateFrom, append } = effect;
      if (hardState !== null) parts.push(`term ${hardState.currentTerm} vote ${hardState.votedFor ?? "-"}`);
      if (reset !== null) parts.push(`begins behind ${reset.index}:${reset.term}`);
      if (truncateFrom !== null) parts.push(`removes from ${truncateFrom}`);
      if (append.length > 0) parts.push(append.map(shownEntry).join(" "));
      return `writes #${effect.number}: ${parts.join(", ")}`;
    }
    case "send": {
      const after = effect.after === null ? "" : `, after #${effect.after}`;
      return `> ${effect.to} ${shownMessage(effect.message)}${after}`;
    }
    case "apply":
      return `applies ${effect.entries.map(shownEntry).join(" ")}`;
    case "accepted":
      return `accepts request ${effect.requestId} at ${effect.firstIndex}:${effect.term}`;
    case "refused":
      return `refuses request ${effect.requestId}: ${effect.reason}`;
    case "readable":
      return `answers read ${effect.requestId} at ${effect.index}`;
    case "changeRefused":
      return `refuses change ${effect.requestId}: ${effect.reason}`;
    case "transferEnded":
      return `ends transfer ${effect.requestId}: ${effect.reason ?? "it does not lead any more"}`;
    case "configuration":
      return `has the configuration of ${effect.index}: ${shownConfiguration(effect.configuration)}`;
    case "needSnapshot":
      return `needs a snapshot that reaches ${effect.index}`;
    case "installSnapshot":
      return `goes on from the snapshot ${effect.index}:${effect.term}`;
    case "repaired":
      return "is repaired";
    case "rolledBack":
      return `has less than it acknowledged (loss ${effect.epoch})`;
    case "halt":
      return `halts: ${effect.reason}`;
    case "changed":
      return `is ${effect.role} in term ${effect.term}, leader ${effect.leaderId ?? "-"}`;
    case "objection":
      return `objects to ${effect.from}: ${effect.reason}`;
  }
}

function shownEntry({ index, term, kind, payload, configuration }: Entry): string {
  const what = configuration !== null
    ? `(${shownConfiguration(configuration)})`
    : kind === "noop"
    ? "(no-op)"
    : `"${new TextDecoder().decode(payload)}"`;
  return `${index}:${term}${what}`;
}

function shownConfiguration({ voters, outgoing, learners }: ConfigurationValue): string {
  const parts = [voters.join(" ")];
  if (outgoing.length > 0) parts.push(`with ${outgoing.join(" ")}`);
  if (learners.length > 0) parts.push(`learning ${learners.join(" ")}`);
  return parts.join(", ");
}

function shownMessage(message: Message): string {
  const t = `t${message.term}`;
  switch (message.kind) {
    case "preVoteRequest":
      return `PreVote? ${t} last ${message.lastLogIndex}:${message.lastLogTerm} round ${message.round}`;
    case "preVoteResponse":
      return `PreVote ${message.voteGranted ? "yes" : "no"} ${t} round ${message.round}`;
    case "requestVoteRequest":
      return `Vote? ${t} last ${message.lastLogIndex}:${message.lastLogTerm}${
        message.transfer ? " transfer" : ""
      }`;
    case "requestVoteResponse":
      return `Vote ${message.voteGranted ? "yes" : "no"} ${t}`;
    case "appendEntriesRequest": {
      const { prevLogIndex, prevLogTerm, entries, leaderCommit, round, epoch } = message;
      const what = entries.length === 0 ? "nothing" : entries.map(shownEntry).join(" ");
      return `Append ${t} after ${prevLogIndex}:${prevLogTerm} ${what}, commit ${leaderCommit} round ${round}${
        epoch === 0 ? "" : ` epoch ${epoch}`
      }`;
    }
    case "appendEntriesResponse": {
      const { success, matchIndex, prevLogIndex, hintIndex, hintTerm, requestTerm, round, epoch } = message;
      const of = requestTerm === message.term ? "" : ` of t${requestTerm}`;
      const what = success
        ? `agrees to ${matchIndex}`
        : `refuses ${prevLogIndex}, try ${hintIndex}:${hintTerm}`;
      return `Appended ${t}${of} ${what} round ${round}${epoch === 0 ? "" : ` epoch ${epoch}`}`;
    }
    case "installSnapshotRequest":
      return `Snapshot? ${t} at least ${message.snapshotIndex}:${message.snapshotTerm} round ${message.round}`;
    case "installSnapshotResponse":
      return `Snapshot ${t} ${
        message.matchIndex === 0 ? "not yet" : `has ${message.matchIndex}`
      } round ${message.round}`;
    case "timeoutNowRequest":
      return `TimeoutNow ${t} last ${message.lastLogIndex}`;
  }
}
