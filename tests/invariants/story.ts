/**
 * Short stories of servers that do as they are told, under the eyes of a ghost; for the tests of properties.
 *
 * Puppets stand in for servers, since a real core cannot be brought to break a property.
 *
 * @module
 */
import { assertThrows } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import type { Effect } from "../../internal/raft/effect.ts";
import { Log } from "../../internal/raft/log.ts";
import type { Message } from "../../internal/raft/message.ts";
import { Raft, type StateView } from "../../internal/raft/raft.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import type { ConfigurationValue, Entry, LogIndex, Term } from "../../internal/raft/types.ts";
import { birth } from "../scenarios/stage.ts";
import { Ghost, type Property, Violation } from "./ghost.ts";
import { Monotonic } from "./monotonic.ts";

/** Entries from `index:term`, with a letter where the content shall differ: `1:1 2:1x`. */
export function entriesOf(log: string): Entry[] {
  return log.split(" ").filter((word) => word !== "").map((word) => {
    const [, index, term, content] = /^(\d+):(\d+)([a-z]?)$/.exec(word) ?? [];
    if (content === undefined) throw new Error(`Cannot read "${word}" as index:term`);
    const payload = new TextEncoder().encode(content);
    return {
      index: Number(index),
      term: Number(term),
      kind: "command",
      payload,
      configuration: null,
      record: null,
    };
  });
}

/** A configuration as `n1 n2 n3`, or as `n1 n2 / n1 n2 n3` where it is joint; learners in brackets. */
export function configurationOf(text: string): ConfigurationValue {
  const [, names = "", learning = ""] = /^([^[]*)(?:\[(.*)\])?$/.exec(text) ?? [];
  const [voters = [], outgoing = []] = names.split("/").map(wordsOf);
  const learners = wordsOf(learning);
  const { members } = configurationOfVoters([...new Set([...voters, ...outgoing, ...learners])]);
  return { voters, outgoing, learners, members };
}

function wordsOf(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

function configurationEntry({ index, term, configuration }: Configures): Entry {
  return { index, term, kind: "configuration", payload: new Uint8Array(0), configuration, record: null };
}

const SERVERS = ["n1", "n2", "n3"];

/** A server that says of itself what a story makes it say. */
class Puppet extends Raft {
  #log = new Log({ snapshotIndex: 0, snapshotTerm: 0, entries: [] });
  #view: StateView;

  constructor(id: string, log: string) {
    const hardState = { currentTerm: 0, votedFor: null };
    super({
      id,
      settings: defaultSettings,
      recovered: { hardState, ...birth(SERVERS) },
      random: new SeededRandom("puppet"),
      now: 0,
    });
    this.#view = super.view();
    for (const entry of entriesOf(log)) this.#log.append(entry);
    this.show({});
  }

  override view(): StateView {
    return this.#view;
  }

  override get log(): Log {
    return this.#log;
  }

  show(change: Partial<StateView>): void {
    const { lastIndex, lastTerm } = this.#log;
    this.#view = { ...this.#view, lastIndex, lastTerm, ...change };
  }
}

interface Configures {
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: ConfigurationValue;
}

interface Step extends Partial<StateView> {
  /** What the server writes: first it removes from that index on, then it appends. */
  readonly truncateFrom?: LogIndex;
  readonly append?: string;
  /** A configuration that it appends; it goes by that from then on, unless `configuration` says otherwise. */
  readonly configures?: Configures;
  /** What the server gives to its state machine. */
  readonly apply?: string;
  /** What the server sends. */
  readonly send?: readonly (readonly [to: string, message: Message])[];
}

/** A stage of puppets under the eyes of a ghost. */
export class Story {
  readonly monotonic: Monotonic | undefined;
  readonly #ghost: Ghost;
  readonly #puppets = new Map<string, Puppet>();

  constructor(properties: readonly Property[]) {
    this.#ghost = new Ghost(properties);
    this.monotonic = properties.find((property) => property instanceof Monotonic);
  }

  /** A server starts, or starts again, with that log. */
  starts(server: string, log = "", view: Partial<StateView> = {}): this {
    const puppet = new Puppet(server, log);
    puppet.show(view);
    this.#puppets.set(server, puppet);
    this.#ghost.started(server, puppet);
    return this;
  }

  steps(server: string, { truncateFrom, append = "", configures, apply, send = [], ...view }: Step): this {
    const puppet = this.#puppets.get(server);
    if (puppet === undefined) throw new Error(`${server} did not start`);
    const effects: Effect[] = [];
    const entries = [
      ...entriesOf(append),
      ...(configures === undefined ? [] : [configurationEntry(configures)]),
    ];
    if (truncateFrom !== undefined || entries.length > 0) {
      if (truncateFrom !== undefined) puppet.log.truncateFrom(truncateFrom);
      for (const entry of entries) puppet.log.append(entry);
      effects.push({
        kind: "write",
        reset: null,
        commitIndex: 0,
        number: 1,
        hardState: null,
        truncateFrom: truncateFrom ?? null,
        append: entries,
      });
    }
    if (apply !== undefined) effects.push({ kind: "apply", entries: entriesOf(apply) });
    for (const [to, message] of send) effects.push({ kind: "send", to, message, after: null });
    puppet.show({
      ...(configures === undefined
        ? {}
        : { configuration: configures.configuration, configurationIndex: configures.index }),
      ...view,
    });
    this.#ghost.stepped(server, puppet, effects);
    return this;
  }

  /** The entries that stand in a server's log, as its messages carry them. */
  entries(server: string, from: LogIndex, to: LogIndex): readonly Entry[] {
    const puppet = this.#puppets.get(server);
    return puppet === undefined ? [] : puppet.log.slice(from, to);
  }

  /** A message leaves. */
  tells(server: string, to: string, message: Message): this {
    this.monotonic?.promised(server, to, message);
    return this;
  }
}

/** Two ends of one beginning. */
export interface Case {
  readonly name: string;
  readonly given: (story: Story) => void;
  readonly legal: (story: Story) => void;
  readonly broken: (story: Story) => void;
  readonly says: string;
}

export function checkStories(
  title: string,
  properties: () => readonly Property[],
  cases: readonly Case[],
): void {
  for (const { name, given, legal, broken, says } of cases) {
    Deno.test(`${title}: ${name}`, () => {
      const neighbour = new Story(properties());
      given(neighbour);
      legal(neighbour);
      const story = new Story(properties());
      given(story);
      assertThrows(() => broken(story), Violation, says);
    });
  }
}

export const leader = (currentTerm: number): Partial<StateView> => ({ role: "leader", currentTerm });
export const follower = (currentTerm: number): Partial<StateView> => ({ role: "follower", currentTerm });
