/**
 * Faults that strike an arena, by name: what each does, and how it is undone.
 *
 * Keeps true: a fault is undone by what `begin` gives, whatever else happened meanwhile; what a fault draws comes from the random stream that it is
 * given; faults on the ways of clients never change what a client says, since its protocol has no checksum: they delay, cut and break.
 *
 * Names in brackets are rows of the fault model (reliability, 2.2).
 *
 * @module
 */
import type { Random } from "../../../internal/base/random.ts";
import { pause } from "../cluster.ts";
import type { Link } from "../proxy/link.ts";
import type { Arena, Blocking } from "./arena.ts";
import { change, join, leave } from "./members.ts";

/** What a fault may see and use. */
export interface Strike {
  readonly arena: Arena;
  readonly random: Random;
}

/** A fault that struck. */
export interface Struck {
  /** Whom, and how hard. */
  readonly what: string;
  undo(): Promise<void>;
}

export interface Fault {
  /** Under which it is counted. */
  readonly name: string;
  /** Rows of the fault model. */
  readonly rows: readonly string[];
  begin(strike: Strike): Promise<Struck>;
}

const HOWS: readonly Blocking[] = ["silence", "stall", "reset"];

function pick<T>(random: Random, among: readonly T[]): T {
  const one = among[random.below(among.length)];
  if (one === undefined) throw new Error("there is nothing to pick from");
  return one;
}

function shuffled<T>(random: Random, all: readonly T[]): T[] {
  const left = [...all];
  const taken: T[] = [];
  while (left.length > 0) taken.push(...left.splice(random.below(left.length), 1));
  return taken;
}

/** The leader, or anybody while there is none. */
async function leaderOrAny({ arena, random }: Strike): Promise<string> {
  return await arena.leaderNow() ?? pick(random, arena.ids);
}

/** Whose process may be ended. */
function mortals(arena: Arena): readonly string[] {
  return arena.ids.filter((id) => !arena.spared.has(id));
}

/** The leader as often as not, or anybody, as far as processes may be ended. */
async function leaderOrMortal(strike: Strike): Promise<string> {
  const { arena, random } = strike;
  const leader = random.chance(1, 2) ? await leaderOrAny(strike) : null;
  return leader === null || arena.spared.has(leader) ? pick(random, mortals(arena)) : leader;
}

/* ---- partitions: which ordered pairs cannot speak ---- */

type Pairs = readonly (readonly [from: string, to: string])[];

function allPairs({ ids }: Arena): Pairs {
  return ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => [from, to] as const));
}

/** A partition of that shape, in each of the ways in which a network may refuse. */
function partition(
  name: string,
  rows: readonly string[],
  shape: (strike: Strike) => Promise<Pairs> | Pairs,
  hows: readonly Blocking[] = HOWS,
): Fault {
  return {
    name,
    rows,
    begin: async (strike) => {
      const { arena, random } = strike;
      const pairs = await shape(strike);
      const how = pick(random, hows);
      for (const [from, to] of pairs) arena.block(from, to, how);
      return {
        what: `${how}: ${pairs.map(([from, to]) => `${from}>${to}`).join(" ")}`,
        undo: async () => {
          for (const [from, to] of pairs) await arena.unblock(from, to);
        },
      };
    },
  };
}

const between = (arena: Arena, side: readonly string[]): Pairs =>
  allPairs(arena).filter(([from, to]) => side.includes(from) !== side.includes(to));

const PARTITIONS: readonly Fault[] = [
  partition("partition: one apart", ["N5"], ({ arena, random }) => between(arena, [pick(random, arena.ids)])),
  partition(
    "partition: leader apart",
    ["N5"],
    async (strike) => between(strike.arena, [await leaderOrAny(strike)]),
  ),
  partition("partition: all apart", ["N5"], ({ arena }) => allPairs(arena)),
  partition("partition: bridge", ["N7"], ({ arena, random }) => {
    const bridge = pick(random, arena.ids);
    return allPairs(arena).filter(([from, to]) => from !== bridge && to !== bridge);
  }),
  partition("partition: leader and one cannot speak", ["N7"], async (strike) => {
    const leader = await leaderOrAny(strike);
    const other = pick(strike.random, strike.arena.others(leader));
    return [[leader, other], [other, leader]];
  }),
  partition("partition: leader sends only", ["N6"], async (strike) => {
    const leader = await leaderOrAny(strike);
    return strike.arena.others(leader).map((other) => [other, leader] as const);
  }),
  partition("partition: leader receives only", ["N6"], async (strike) => {
    const leader = await leaderOrAny(strike);
    return strike.arena.others(leader).map((other) => [leader, other] as const);
  }),
  partition("partition: one way", ["N6"], ({ arena, random }) => [pick(random, allPairs(arena))]),
  partition(
    "partition: any graph",
    ["N6", "N7"],
    ({ arena, random }) => allPairs(arena).filter(() => random.chance(1, 3)),
  ),
];

/* ---- links ---- */

interface LinkFault {
  readonly name: string;
  readonly rows: readonly string[];
  /** Peers' links or clients' ones. */
  readonly on: "peers" | "clients";
  /** Does it, and gives in words how hard. */
  apply(link: Link, random: Random): string;
  undo(link: Link): Promise<void>;
}

/** On one link, on all links of one server, or on all. */
function onLinks({ name, rows, on, apply, undo }: LinkFault): Fault {
  return {
    name,
    rows,
    begin: async ({ arena, random }) => {
      const all = on === "peers" ? arena.peerLinks : arena.ids.map((id) => arena.clientLink(id));
      const id = pick(random, arena.ids);
      const links = pick(random, [
        all,
        [pick(random, all)],
        all.filter((link) => link.name.split("-").includes(id)),
      ]);
      const hard = links.map((link) => apply(link, random.fork(link.name)));
      return await Promise.resolve({
        what: links.map((link, i) => `${link.name} ${hard[i]}`).join(", "),
        undo: async () => {
          for (const link of links) await undo(link);
        },
      });
    },
  };
}

const LINKS: readonly LinkFault[] = [
  {
    name: "delay",
    rows: ["N2"],
    on: "peers",
    apply: (link, random) => {
      const ms = pick(random, [5, 40, 150, 700]);
      link.latency("both", ms, ms);
      return `${ms} to ${2 * ms} ms`;
    },
    undo: (link) => link.clear("both", "latency"),
  },
  {
    name: "slow link",
    rows: ["N8"],
    on: "peers",
    apply: (link, random) => {
      const bytes = pick(random, [2_000, 20_000, 200_000]);
      link.bandwidth("both", bytes);
      return `${bytes} B/s`;
    },
    undo: (link) => link.clear("both", "bandwidth"),
  },
  {
    name: "drop",
    rows: ["N1"],
    on: "peers",
    apply: (link, random) => {
      const chance = pick(random, [0.02, 0.1, 0.3, 0.5]);
      link.drop("both", chance);
      return `${chance} of the frames`;
    },
    undo: (link) => link.clear("both", "drop"),
  },
  {
    name: "flipped bits",
    rows: ["N11"],
    on: "peers",
    apply: (link, random) => {
      const chance = pick(random, [0.00001, 0.0002, 0.003]);
      link.flip("both", chance, String(random.uint32()));
      return `${chance} of the bytes`;
    },
    undo: (link) => link.clear("both", "flip"),
  },
  {
    name: "one-byte segments",
    rows: ["N12"],
    on: "peers",
    apply: (link) => {
      link.segment("both", 1);
      return "";
    },
    undo: (link) => link.clear("both", "segment"),
  },
  {
    name: "cut in mid-frame",
    rows: ["N10", "N12"],
    on: "peers",
    apply: (link, random) => {
      const bytes = pick(random, [random.below(160), random.below(5000), random.below(100_000)]);
      const reset = random.chance(1, 2);
      link.cut(pick(random, ["up", "down", "both"] as const), bytes, { reset });
      return `after ${bytes} bytes${reset ? ", by a reset" : ""}`;
    },
    undo: (link) => link.clear("both", "cut"),
  },
  {
    name: "half-open",
    rows: ["N9"],
    on: "peers",
    apply: (link) => {
      link.halfOpen();
      return "";
    },
    undo: (link) => link.clear("both", "half-open"),
  },
  {
    name: "refused",
    rows: ["N10"],
    on: "peers",
    apply: (link) => {
      void link.refuse();
      link.reset();
      return "";
    },
    undo: (link) => link.clear("both", "refuse"),
  },
  {
    name: "zero window",
    rows: ["N18"],
    on: "peers",
    apply: (link) => {
      link.pause("both");
      return "";
    },
    undo: (link) => link.clear("both", "pause"),
  },
  {
    name: "old frames late",
    rows: ["N3"],
    on: "peers",
    apply: (link, random) => {
      const ms = random.between(50, 600);
      link.reorder("up", ms);
      link.reset({ side: "client" });
      return `by ${ms} ms`;
    },
    undo: (link) => link.clear("both", "reorder"),
  },
  {
    name: "replayed frames",
    rows: ["N4"],
    on: "peers",
    apply: (link, random) => {
      const chance = pick(random, [0.02, 0.3, 0.9]);
      link.replay("both", chance);
      return `after ${chance} of the frames`;
    },
    undo: (link) => link.clear("both", "replay"),
  },
  {
    name: "clients: slow",
    rows: ["N2", "N8"],
    on: "clients",
    apply: (link, random) => {
      const ms = random.between(1, 200);
      link.latency("both", ms, ms);
      link.segment("both", random.between(1, 20));
      return `${ms} to ${2 * ms} ms, in pieces`;
    },
    undo: async (link) => {
      await link.clear("both", "latency");
      await link.clear("both", "segment");
    },
  },
  {
    name: "clients: cut in mid-command",
    rows: ["C5", "C6"],
    on: "clients",
    apply: (link, random) => {
      const bytes = random.between(20, 3000);
      const way = pick(random, ["up", "down"] as const);
      link.cut(way, bytes, { reset: random.chance(1, 2) });
      return `${way} after ${bytes} bytes`;
    },
    undo: (link) => link.clear("both", "cut"),
  },
  {
    name: "clients: half-open",
    rows: ["C6", "N16"],
    on: "clients",
    apply: (link) => {
      link.halfOpen();
      return "";
    },
    undo: (link) => link.clear("both", "half-open"),
  },
];

/** Does something again and again until it is undone. */
function again(
  name: string,
  rows: readonly string[],
  choose: (strike: Strike) => Promise<{
    readonly what: string;
    readonly everyMs: number;
    /** Gives a way back that is taken before the next time. */
    act(): Promise<void>;
    rest(): Promise<void>;
  }>,
): Fault {
  return {
    name,
    rows,
    begin: async (strike) => {
      const { what, everyMs, act, rest } = await choose(strike);
      let isOver = false;
      const loop = (async () => {
        while (!isOver) {
          await act();
          await pause(everyMs);
          await rest();
          if (!isOver) await pause(everyMs);
        }
      })();
      return {
        what,
        undo: async () => {
          isOver = true;
          await loop;
        },
      };
    },
  };
}

const REPEATED: readonly Fault[] = [
  again("flapping link", ["N17"], async (strike) => {
    const { arena, random } = strike;
    const leader = await leaderOrAny(strike);
    const other = pick(random, arena.others(leader));
    const how = pick(random, HOWS);
    // The shortest election timeout of the profile is 300 ms.
    const everyMs = pick(random, [60, 250, 290, 350]);
    return {
      what: `${leader}-${other} ${how}, every ${everyMs} ms`,
      everyMs,
      act: () => {
        arena.block(leader, other, how);
        arena.block(other, leader, how);
        return Promise.resolve();
      },
      rest: async () => {
        await arena.unblock(leader, other);
        await arena.unblock(other, leader);
      },
    };
  }),
  again("swizzled links", ["N8"], ({ arena, random }) => {
    const links = arena.peerLinks.filter(() => random.chance(2, 3));
    return Promise.resolve({
      what: links.map(({ name }) => name).join(" "),
      everyMs: random.between(100, 400),
      // Stopped one by one, and let go in another order.
      act: async () => {
        for (const link of links) {
          link.pause("both");
          await pause(random.between(0, 60));
        }
      },
      rest: async () => {
        for (const link of shuffled(random, links)) {
          await link.clear("both", "pause");
          await pause(random.between(0, 60));
        }
      },
    });
  }),
  again("resets", ["N10"], ({ arena, random }) => {
    const links = [...arena.peerLinks, ...arena.ids.map((id) => arena.clientLink(id))];
    return Promise.resolve({
      what: "any link",
      everyMs: random.between(10, 100),
      act: () => {
        pick(random, links).reset();
        return Promise.resolve();
      },
      rest: () => Promise.resolve(),
    });
  }),
  again("short stalls", ["P2", "P4"], ({ arena, random }) => {
    const ids = arena.ids.filter(() => random.chance(2, 3));
    return Promise.resolve({
      what: ids.join(" "),
      everyMs: random.between(5, 250),
      act: () => {
        for (const id of ids) arena.freeze(id);
        return Promise.resolve();
      },
      rest: () => {
        for (const id of ids) arena.thaw(id);
        return Promise.resolve();
      },
    });
  }),
];

/* ---- processes ---- */

/** kill -9 of these; undone by starting them again, in any order. */
function killing(
  name: string,
  rows: readonly string[],
  whom: (strike: Strike) => Promise<readonly string[]>,
): Fault {
  return {
    name,
    rows,
    begin: async (strike) => {
      const { arena, random } = strike;
      const ids = (await whom(strike)).filter((id) => !arena.spared.has(id));
      await Promise.all(ids.map((id) => arena.kill(id)));
      return {
        what: ids.join(" "),
        undo: async () => {
          for (const id of shuffled(random, ids)) {
            arena.launch(id);
            await pause(random.below(100));
          }
        },
      };
    },
  };
}

function freezing(
  name: string,
  rows: readonly string[],
  whom: (strike: Strike) => Promise<readonly string[]>,
): Fault {
  return {
    name,
    rows,
    begin: async (strike) => {
      const ids = await whom(strike);
      for (const id of ids) strike.arena.freeze(id);
      return {
        what: ids.join(" "),
        undo: () => {
          for (const id of ids) strike.arena.thaw(id);
          return Promise.resolve();
        },
      };
    },
  };
}

/** How long a server may take to end when it is asked to. */
const KIND_STOP_MS = 8000;

const PROCESSES: readonly Fault[] = [
  killing("kill -9: one", ["P1"], ({ arena, random }) => Promise.resolve([pick(random, arena.ids)])),
  killing("kill -9: the leader", ["P1"], async (strike) => [await leaderOrAny(strike)]),
  killing("kill -9: a majority", ["P1"], ({ arena, random }) => {
    const spared = pick(random, arena.ids);
    return Promise.resolve(arena.others(spared));
  }),
  killing("kill -9: all", ["P1", "O14"], ({ arena }) => Promise.resolve(arena.ids)),
  freezing("freeze: one", ["P2"], ({ arena, random }) => Promise.resolve([pick(random, arena.ids)])),
  freezing("freeze: the leader", ["P2"], async (strike) => [await leaderOrAny(strike)]),
  freezing("freeze: all", ["P2"], ({ arena }) => Promise.resolve(arena.ids)),
  {
    name: "crash loop",
    rows: ["P7"],
    begin: async ({ arena, random }) => {
      const id = pick(random, mortals(arena));
      const times = random.between(3, 6);
      for (let i = 0; i < times; i++) {
        await arena.kill(id);
        arena.launch(id);
        await pause(random.below(120));
      }
      await arena.kill(id);
      return { what: `${id}, ${times} times`, undo: () => Promise.resolve(arena.launch(id)) };
    },
  },
  {
    name: "rolling restart",
    rows: ["P8"],
    begin: async ({ arena, random }) => {
      const ids = shuffled(random, mortals(arena));
      for (const id of ids) {
        await arena.stopKindly(id, KIND_STOP_MS);
        arena.launch(id);
        await pause(random.between(50, 500));
      }
      return { what: ids.join(" "), undo: () => Promise.resolve() };
    },
  },
  {
    name: "clients: cut off from the leader",
    rows: ["N16"],
    begin: async (strike) => {
      const leader = await leaderOrAny(strike);
      const link = strike.arena.clientLink(leader);
      link.halfOpen();
      return { what: leader, undo: () => link.clear("both", "half-open") };
    },
  },
  {
    name: "clients: cut off from all but the leader",
    rows: ["N16"],
    begin: async (strike) => {
      const others = strike.arena.others(await leaderOrAny(strike));
      const links = others.map((id) => strike.arena.clientLink(id));
      await Promise.all(links.map((link) => link.refuse()));
      for (const link of links) link.reset();
      return {
        what: others.join(" "),
        undo: async () => {
          for (const link of links) await link.clear("both", "refuse");
        },
      };
    },
  },
];

/* ---- what an operator does, under fire ---- */

const nothingToUndo = (what: string): Struck => ({ what, undo: () => Promise.resolve() });

/** A change of the members, where there is none under way. */
function changing(name: string, rows: readonly string[], begin: Fault["begin"]): Fault {
  return {
    name,
    rows,
    begin: async (strike) => {
      const release = strike.arena.claimMembers();
      if (release === null) return nothingToUndo("not now: another change is under way");
      try {
        const { what, undo } = await begin(strike);
        return { what, undo: () => undo().finally(release) };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

/** Asks for something, and does not insist. */
async function tell({ arena }: Strike, id: string, words: readonly string[]): Promise<void> {
  try {
    const client = await arena.cluster.client(id);
    try {
      await client.within(500, client.send(...words));
    } finally {
      client.close();
    }
  } catch {
    // It is down, frozen, or has something better to do: it was only asked.
    return;
  }
}

const OPERATORS: readonly Fault[] = [
  changing("members: one more", ["O10"], async ({ arena }) => {
    const { spare } = arena;
    if (spare === null) return nothingToUndo("nobody: there is no room");
    await join(arena, spare, null);
    return { what: arena.cluster.serverId(spare), undo: () => leave(arena, spare) };
  }),
  changing("members: one less", ["O10", "O11"], async (strike) => {
    const { arena } = strike;
    const id = await leaderOrMortal(strike);
    await leave(arena, id);
    return { what: id, undo: () => join(arena, id, null) };
  }),
  changing("members: one replaced", ["O10", "O11"], async (strike) => {
    const { arena } = strike;
    const { spare } = arena;
    if (spare === null) return nothingToUndo("nobody: there is no room");
    const id = await leaderOrMortal(strike);
    await join(arena, spare, id);
    await arena.vacate(id);
    return nothingToUndo(`${id} by ${arena.cluster.serverId(spare)}`);
  }),
  changing("members: one without a vote", ["O10"], async ({ arena, random }) => {
    const id = pick(random, arena.ids);
    const name = arena.cluster.serverId(id);
    await change(arena, ["DEMOTE", name], ({ learners }) => learners.includes(id));
    return {
      what: name,
      undo: () => change(arena, ["PROMOTE", name], ({ voters }) => voters.includes(id)),
    };
  }),
  again("lead handed over", ["P8"], (strike) => {
    const { arena, random } = strike;
    return Promise.resolve({
      what: "to anybody",
      everyMs: random.between(20, 400),
      act: () => {
        const [asked, to] = [pick(random, arena.ids), pick(random, arena.ids)];
        return tell(strike, asked, ["RAFT", "TRANSFER", arena.cluster.serverId(to)]);
      },
      rest: () => Promise.resolve(),
    });
  }),
  again("snapshots taken", ["D25"], (strike) => {
    const { arena, random } = strike;
    return Promise.resolve({
      what: "by anybody",
      everyMs: random.between(10, 100),
      act: () => tell(strike, pick(random, arena.ids), ["RAFT", "SNAPSHOT"]),
      rest: () => Promise.resolve(),
    });
  }),
];

const isOfClients = ({ name }: { readonly name: string }) => name.startsWith("clients: ");
const links = LINKS.map(onLinks);

/** Every fault, by its class. */
export const FAULT_CLASSES: Readonly<Record<string, readonly Fault[]>> = {
  partitions: PARTITIONS,
  links: [...links.filter((fault) => !isOfClients(fault)), ...REPEATED],
  clients: [...links, ...PROCESSES].filter(isOfClients),
  processes: PROCESSES.filter((fault) => !isOfClients(fault)),
  operators: OPERATORS,
};

export const FAULTS: readonly Fault[] = Object.values(FAULT_CLASSES).flat();
