/**
 * The lines by which a person or a script changes a proxy at run time.
 *
 * Keeps true: a line that cannot be understood changes nothing; it gets one line that says what was expected. A line that names several links
 * is checked as a whole before any of them is changed.
 *
 * @module
 */
import { parseAddress } from "../../../cmd/flags.ts";
import { type Directions, FAULT_NAMES, type FaultName } from "./faults.ts";
import type { Link } from "./link.ts";
import type { Proxy } from "./proxy.ts";
import { showStatus } from "./status.ts";

const MS_MAX = 3_600_000;
const BYTES_MAX = 2 ** 40;

/** What is wrong with a line, for whoever wrote it. */
export class ControlError extends Error {
  override readonly name = "ControlError";
}

/** Links, and which of their directions. */
interface Selection {
  readonly links: readonly Link[];
  readonly directions: Directions;
}

/** The words behind a command's name; each is asked for once, in order. */
class Words {
  readonly #words: string[];
  readonly #proxy: Proxy;

  constructor(proxy: Proxy, words: readonly string[]) {
    this.#proxy = proxy;
    this.#words = [...words];
  }

  /** The next word, if there is one. */
  take(): string | undefined {
    return this.#words.shift();
  }

  must(what: string): string {
    const word = this.take();
    if (word === undefined) throw new ControlError(`${what} is missing`);
    return word;
  }

  /** The rest are these words, in any order, each at most once. */
  options<Word extends string>(allowed: readonly Word[]): ReadonlySet<Word> {
    const found = new Set<Word>();
    for (let word = this.take(); word !== undefined; word = this.take()) {
      const known = allowed.find((one) => one === word);
      if (known === undefined || found.has(known)) throw new ControlError(`${word} is not expected here`);
      found.add(known);
    }
    return found;
  }

  end(): void {
    this.options([]);
  }

  whole(what: string, min: number, max: number, otherwise?: number): number {
    const word = otherwise === undefined ? this.must(what) : this.take();
    if (word === undefined) return otherwise ?? 0;
    const value = /^\d{1,15}$/.test(word) ? Number(word) : NaN;
    if (value >= min && value <= max) return value;
    throw new ControlError(`${what} is ${word}, it must be a whole number from ${min} to ${max}`);
  }

  chance(what: string, otherwise?: number): number {
    const word = otherwise === undefined ? this.must(what) : this.take();
    if (word === undefined) return otherwise ?? 0;
    const value = /^(?:\d+(?:\.\d*)?|\.\d+)$/.test(word) ? Number(word) : NaN;
    if (value >= 0 && value <= 1) return value;
    throw new ControlError(`${what} is ${word}, it must be a number from 0 to 1`);
  }

  address(what: string) {
    const word = this.must(what);
    const address = parseAddress(word);
    if (address === null) throw new ControlError(`${what} is ${word}, it must be HOST:PORT`);
    return address;
  }

  /** `NAME`, `PATTERN`, and behind a colon `up` or `down`. */
  selection(): Selection {
    const word = this.must("LINK");
    const colon = word.lastIndexOf(":");
    const [pattern, way] = colon < 0 ? [word, "both"] : [word.slice(0, colon), word.slice(colon + 1)];
    if (way !== "both" && way !== "up" && way !== "down") {
      throw new ControlError(`the direction of ${word} is ${way || "empty"}, it must be up or down`);
    }
    return { links: this.#matching(pattern), directions: way };
  }

  /** Links as a whole. */
  links(): readonly Link[] {
    const { links, directions } = this.selection();
    if (directions !== "both") {
      throw new ControlError("this is for a link as a whole: leave out the direction");
    }
    return links;
  }

  #matching(pattern: string): readonly Link[] {
    const links = this.#proxy.matching(pattern);
    if (links.length > 0) return links;
    const names = this.#proxy.links.map(({ name }) => name).join(", ");
    throw new ControlError(`no link is named ${pattern}; there ${names === "" ? "are none" : `is ${names}`}`);
  }
}

type Run = (words: Words, proxy: Proxy) => readonly string[] | Promise<readonly string[]>;

interface ControlCommand {
  readonly usage: string;
  readonly help: string;
  /** Gives what is to be said; the last line is the answer itself. */
  readonly run: Run;
}

/** A fault with its numbers, on each link of a selection. */
function onEach(read: (words: Words) => (link: Link, directions: Directions) => void): Run {
  return (words) => {
    const { links, directions } = words.selection();
    const apply = read(words);
    words.end();
    for (const link of links) apply(link, directions);
    return [namesOf(links)];
  };
}

function namesOf(links: readonly Link[]): string {
  return links.map(({ name }) => name).join(" ");
}

const COMMANDS: readonly ControlCommand[] = [
  {
    usage: "latency LINK MS [JITTER_MS]",
    help: "everything comes later by MS, and by 0 to JITTER_MS more; the order stays",
    run: onEach((words) => {
      const ms = words.whole("MS", 0, MS_MAX);
      const jitterMs = words.whole("JITTER_MS", 0, MS_MAX, 0);
      return (link, directions) => link.latency(directions, ms, jitterMs);
    }),
  },
  {
    usage: "bandwidth LINK BYTES_PER_SECOND",
    help: "all connections of the link together get no more; 0 takes the limit away",
    run: onEach((words) => {
      const bytes = words.whole("BYTES_PER_SECOND", 0, BYTES_MAX);
      return (link, directions) => link.bandwidth(directions, bytes);
    }),
  },
  {
    usage: "drop LINK [CHANCE]",
    help: "chunks vanish (frames, after `frames`); without CHANCE all of them, and ends of connections too",
    run: onEach((words) => {
      const chance = words.chance("CHANCE", 1);
      return (link, directions) => link.drop(directions, chance);
    }),
  },
  {
    usage: "flip LINK CHANCE [SEED]",
    help: "each byte gets one bit turned with that chance",
    run: onEach((words) => {
      const chance = words.chance("CHANCE");
      const seed = words.take() ?? "";
      return (link, directions) => link.flip(directions, chance, seed);
    }),
  },
  {
    usage: "segment LINK [BYTES [GAP_MS]]",
    help: "writes of at most BYTES (1) each, GAP_MS (0) apart; 0 bytes ends that",
    run: onEach((words) => {
      const bytes = words.whole("BYTES", 0, BYTES_MAX, 1);
      const gapMs = words.whole("GAP_MS", 0, MS_MAX, 0);
      return (link, directions) => link.segment(directions, bytes, gapMs);
    }),
  },
  {
    usage: "cut LINK BYTES [once] [rst]",
    help: "each connection is closed after so many more bytes; once: the first only; rst: by a reset",
    run: (words) => {
      const { links, directions } = words.selection();
      const bytes = words.whole("BYTES", 0, BYTES_MAX);
      const options = words.options(["once", "rst"]);
      for (const link of links) {
        link.cut(directions, bytes, { once: options.has("once"), reset: options.has("rst") });
      }
      return [namesOf(links)];
    },
  },
  {
    usage: "reorder LINK MS [random]",
    help: "connections that exist now are late by MS, newer ones are not; random: each by 0 to MS",
    run: (words) => {
      const { links, directions } = words.selection();
      const ms = words.whole("MS", 0, MS_MAX);
      const random = words.options(["random"]).has("random");
      for (const link of links) link.reorder(directions, ms, { random });
      return [namesOf(links)];
    },
  },
  {
    usage: "replay LINK CHANCE",
    help: "after each chunk an earlier one comes again with that chance, maybe one of an earlier connection",
    run: onEach((words) => {
      const chance = words.chance("CHANCE");
      return (link, directions) => link.replay(directions, chance);
    }),
  },
  {
    usage: "again LINK:up|down [BACK]",
    help: "sends the chunk that came BACK (1) chunks ago once more, on the newest connection",
    run: (words) => {
      const { links, directions } = words.selection();
      if (directions === "both") throw new ControlError("the direction is missing: LINK:up or LINK:down");
      const back = words.whole("BACK", 1, 1_000_000, 1);
      words.end();
      const sent = links.map((link) => {
        const bytes = link.replayNow(directions, back);
        return `${link.name} ${bytes === null ? "nothing to send, or nobody there" : `${bytes} bytes`}`;
      });
      return [sent.join("; ")];
    },
  },
  {
    usage: "pause LINK",
    help: "nothing is handed on, everything waits; what finds no room is not read",
    run: onEach(() => (link, directions) => link.pause(directions)),
  },
  {
    usage: "half-open LINK",
    help: "connections are accepted and lead nowhere, and those that exist too; clearing resets them",
    run: (words) => {
      const links = words.links();
      words.end();
      for (const link of links) link.halfOpen();
      return [namesOf(links)];
    },
  },
  {
    usage: "reset LINK [client|target] [new]",
    help: "resets its connections, or one side of them; new: and every later one, until cleared",
    run: (words) => {
      const links = words.links();
      const options = words.options(["client", "target", "new"]);
      if (options.has("client") && options.has("target")) {
        throw new ControlError("client or target, not both");
      }
      const side = options.has("client") ? "client" : options.has("target") ? "target" : undefined;
      const andNew = options.has("new");
      const count = links.reduce(
        (sum, link) => sum + link.reset(side === undefined ? { andNew } : { andNew, side }),
        0,
      );
      return [`${namesOf(links)} ${count} connections`];
    },
  },
  {
    usage: "refuse LINK",
    help: "nobody listens there; connections that exist stay",
    run: async (words) => {
      const links = words.links();
      words.end();
      await Promise.all(links.map((link) => link.refuse()));
      return [namesOf(links)];
    },
  },
  {
    usage: "clear LINK [FAULT]",
    help: `takes one fault away, or all: ${FAULT_NAMES.join(", ")}`,
    run: async (words) => {
      const { links, directions } = words.selection();
      const word = words.take();
      const fault = word === undefined ? null : faultNamed(word);
      words.end();
      await Promise.all(links.map((link) => link.clear(directions, fault)));
      return [namesOf(links)];
    },
  },
  {
    usage: "frames LINK on|off",
    help: "new connections carry raftline's frames, so drop and replay take whole ones; no fault by itself",
    run: (words) => {
      const links = words.links();
      const word = words.must("on or off");
      if (word !== "on" && word !== "off") throw new ControlError(`${word} is not on or off`);
      words.end();
      for (const link of links) link.frames(word === "on");
      return [namesOf(links)];
    },
  },
  {
    usage: "status [LINK]",
    help: "what goes through, and the faults that are on",
    run: (words, proxy) => {
      const pattern = words.take() ?? "*";
      words.end();
      const links = proxy.matching(pattern);
      return [
        ...links.flatMap((link) => showStatus(link.status())),
        `${links.length} links, seed ${proxy.seed}`,
      ];
    },
  },
  {
    usage: "open NAME LISTEN TARGET",
    help: "one more link, from HOST:PORT to HOST:PORT; port 0 takes one that is free",
    run: async (words, proxy) => {
      const name = words.must("NAME");
      const listen = words.address("LISTEN");
      const target = words.address("TARGET");
      words.end();
      const link = await proxy.open({ name, listen, target });
      return [showStatus(link.status())[0] ?? name];
    },
  },
  {
    usage: "close LINK",
    help: "takes the link away, and its connections",
    run: async (words, proxy) => {
      const links = words.links();
      words.end();
      await Promise.all(links.map((link) => proxy.remove(link)));
      return [namesOf(links)];
    },
  },
  {
    usage: "wait MS",
    help: "does nothing for so long, then reads on: for scripts",
    run: async (words) => {
      const ms = words.whole("MS", 0, MS_MAX);
      words.end();
      await new Promise((resolve) => setTimeout(resolve, ms));
      return [`${ms} ms`];
    },
  },
  {
    usage: "help",
    help: "this list",
    run: (words) => {
      words.end();
      return [...commandHelp(), "LINK is a name or a pattern such as n1-*, and may end in :up or :down"];
    },
  },
  { usage: "quit", help: "closes this connection", run: () => ["bye"] },
];

function faultNamed(word: string): FaultName {
  const found = FAULT_NAMES.find((name) => name === word);
  if (found === undefined) {
    throw new ControlError(`${word} is no fault; they are ${FAULT_NAMES.join(", ")}`);
  }
  return found;
}

/** Every command in one line. */
export function commandHelp(): readonly string[] {
  const width = Math.max(...COMMANDS.map(({ usage }) => usage.length)) + 2;
  return COMMANDS.map(({ usage, help }) => usage.padEnd(width) + help);
}

/**
 * Does what a line says. Gives the lines to answer, the last one being the answer itself; none for an empty line.
 *
 * @throws {ControlError | Refusal} where that cannot be done
 */
export async function runLine(proxy: Proxy, line: string): Promise<readonly string[]> {
  const [name, ...args] = line.trim().split(/\s+/);
  if (name === undefined || name === "" || name.startsWith("#")) return [];
  const command = COMMANDS.find(({ usage }) => usage.split(" ")[0] === name.toLowerCase());
  if (command === undefined) throw new ControlError(`unknown command ${name}; help lists them`);
  try {
    return await command.run(new Words(proxy, args), proxy);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    throw new ControlError(`${error.message}; usage: ${command.usage}`);
  }
}
