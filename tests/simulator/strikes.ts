/**
 * Strikes: faults that hit a server, its disk, a link or a client now and then. One line of the table is one kind, with the
 * numbers of the fault model; another kind is one line more, and is drawn, counted and pictured from then on.
 *
 * Everything is drawn from one random stream, so a seed has the same strikes whatever the servers do.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import type { Stage } from "./stage.ts";
import type { Server } from "./server.ts";

/** What a strike came to: whom it hit, and for how long. */
export interface Struck {
  /** A server's id, links as `n1>n2`, or a client. */
  readonly whom: string;
  /** 0 where it is over at once. */
  readonly forMs: number;
}

interface Strike {
  /** Rows of the fault model. */
  readonly rows: string;
  readonly what: string;
  /** Why it is not drawn: what the product does not have yet. The verb is there all the same. */
  readonly waitsFor?: string;
  /** Where disks decay, it waits for a place, which not every log has at any moment. */
  readonly waits?: true;
  /** Drawn apart from the others: the server loses something and lives on. */
  readonly decays?: true;
  /** Does it, or gives `null` where it cannot be done now. */
  hit(stage: Stage, server: Server, random: Random): Struck | null;
}

/** On a server that is up. */
function up(act: (server: Server, random: Random, stage: Stage) => number): Strike["hit"] {
  return (stage, server, random) => {
    if (server.life === null) return null;
    return { whom: server.id, forMs: act(server, random, stage) };
  };
}

/** On a server without which all that is committed is on the disks of a quorum. */
function spared(act: (server: Server, random: Random) => Struck | null): Strike["hit"] {
  return (stage, server, random) => stage.mayDecay(server) ? act(server, random) : null;
}

/** Damage to a segment that is not the last; where disks decay, nobody is troubled for nothing. */
function inClosedSegment(how: "misplaced" | "truncated"): Strike["hit"] {
  return (stage, server, random) =>
    stage.decays && !server.hasClosedSegment ? null : server.damage(how, random);
}

/** Cuts links for a while. */
function cuts(
  least: number,
  most: number,
  links: (ids: readonly string[], id: string, random: Random) => readonly Link[],
): Strike["hit"] {
  return (stage, server, random) => {
    const cut = links(stage.servers.map(({ id }) => id), server.id, random);
    if (cut.length === 0) return null;
    const forMs = random.between(least, most);
    stage.cutFor(cut, forMs);
    return { whom: cut.map(([from, to]) => `${from}>${to}`).join(" "), forMs };
  };
}

const TRY_MS = 100;
const TRIES = 50;

type Link = readonly [from: string, to: string];

/** The directed links that a rule cuts. */
function linksWhere(ids: readonly string[], isCut: (from: string, to: string) => boolean): Link[] {
  return ids.flatMap((from) =>
    ids.filter((to) => from !== to && isCut(from, to)).map((to): Link => [from, to])
  );
}

const table = {
  crash: {
    rows: "D1 D2 D3 D17 P1",
    what: "power fails: what was not synced is kept, lost or torn, names too",
    hit: up((server, random) => {
      const downMs = random.below(2000);
      // Most of the time nothing is on its way to the disk; so most often it is waited for.
      if (random.chance(3, 4)) server.crashInSync(random.below(1000) / 1000, downMs);
      else {
        server.crash();
        server.startIn(downMs);
      }
      return downMs;
    }),
  },
  crashInSync: {
    rows: "D1 D2 D3 P1",
    what: "power fails while the next sync is under way, so that there is something to lose and to tear",
    hit: up((server, random) => {
      server.crashInSync(random.below(1000) / 1000, random.below(2000));
      return 0;
    }),
  },
  kill: {
    rows: "P1 D25",
    what: "the process dies, the machine lives on",
    hit: up((server, random) => {
      const downMs = random.below(2000);
      server.end();
      server.startIn(downMs);
      return downMs;
    }),
  },
  blackout: {
    rows: "O14",
    what: "power fails everywhere; servers come back in any order",
    hit: (stage, _, random) => {
      let longest = 0;
      for (const server of stage.servers) {
        const downMs = random.below(1500);
        longest = Math.max(longest, downMs);
        if (server.life === null) continue;
        server.crash();
        server.startIn(downMs);
      }
      return { whom: stage.servers.map(({ id }) => id).join(" "), forMs: longest };
    },
  },
  pause: {
    rows: "P2 P4",
    what: "the process sleeps, for a blink or for many election timeouts",
    hit: up((server, random) => {
      const forMs = random.chance(1, 2) ? random.between(1, 200) : random.between(200, 4000);
      server.pauseFor(forMs);
      return forMs;
    }),
  },
  suspend: {
    rows: "P3",
    what: "the machine sleeps and its monotonic clock with it",
    hit: up((server, random) => {
      const forMs = random.between(50, 4000);
      server.suspendFor(forMs);
      return forMs;
    }),
  },
  skew: {
    rows: "P3",
    what: "a monotonic clock runs at another rate from now on",
    hit: up((server, random) => {
      server.setRate(1 + random.between(-50, 50) / 1000);
      return 0;
    }),
  },
  halves: {
    rows: "N5",
    what: "two groups that do not hear each other",
    hit: cuts(50, 4000, (ids, _, random) => {
      const side = new Set(ids.filter(() => random.chance(1, 2)));
      return linksWhere(ids, (from, to) => side.has(from) !== side.has(to));
    }),
  },
  alone: {
    rows: "N5",
    what: "one server alone",
    hit: cuts(50, 4000, (ids, id) => linksWhere(ids, (from, to) => from === id || to === id)),
  },
  oneWay: {
    rows: "N6",
    what: "one server is heard by nobody, or hears nobody",
    hit: cuts(50, 4000, (ids, id, random) => {
      const silent = random.chance(1, 2);
      return linksWhere(ids, (from, to) => (silent ? from : to) === id);
    }),
  },
  links: {
    rows: "N7",
    what: "any directed graph",
    hit: cuts(50, 4000, (ids, _, random) => linksWhere(ids, () => random.chance(1, 3))),
  },
  bridge: {
    rows: "N7",
    what: "two groups that share one server",
    hit: cuts(50, 4000, (ids, id, random) => {
      const side = new Set(ids.filter((other) => other !== id && random.chance(1, 2)));
      return linksWhere(ids, (from, to) => from !== id && to !== id && side.has(from) !== side.has(to));
    }),
  },
  ring: {
    rows: "N7",
    what: "each hears its neighbours only; of three, one link is gone",
    hit: cuts(50, 4000, (ids, id) => {
      const place = (other: string) => ids.indexOf(other);
      const apart = (a: string, b: string) => Math.abs(place(a) - place(b));
      if (ids.length === 3) return linksWhere(ids, (from, to) => from !== id && to !== id);
      return linksWhere(ids, (from, to) => apart(from, to) !== 1 && apart(from, to) !== ids.length - 1);
    }),
  },
  flap: {
    rows: "N17",
    what: "a link comes and goes, about as fast as an election times out",
    hit: (stage, server, random) => {
      const others = stage.servers.filter(({ id }) => id !== server.id);
      const other = others[random.below(others.length)];
      if (other === undefined) return null;
      const periodMs = random.between(20, 620);
      for (let i = 0; i < 4; i++) {
        stage.later(
          2 * i * periodMs,
          () => stage.cutFor([[server.id, other.id], [other.id, server.id]], periodMs),
        );
      }
      return { whom: `${server.id}>${other.id} ${other.id}>${server.id}`, forMs: 8 * periodMs };
    },
  },
  clog: {
    rows: "N8",
    what: "links of a server stop one by one and go on in another order",
    hit: (stage, { id }, random) => {
      const others = stage.servers.filter((other) => other.id !== id);
      let longest = 0;
      for (const other of others) {
        const link: Link = random.chance(1, 2) ? [id, other.id] : [other.id, id];
        const [fromMs, forMs] = [random.below(1000), random.between(100, 3000)];
        longest = Math.max(longest, fromMs + forMs);
        stage.later(fromMs, () => stage.cutFor([link], forMs));
      }
      return { whom: others.map((other) => `${id}>${other.id}`).join(" "), forMs: longest };
    },
  },
  clientsCut: {
    rows: "N16",
    what: "clients do not reach one server, others do",
    hit: (stage, { id }, random) => {
      const forMs = random.between(50, 3000);
      stage.cutFor(stage.clients.flatMap((client): Link[] => [[client, id], [id, client]]), forMs);
      return { whom: `clients>${id}`, forMs };
    },
  },
  clientGone: {
    rows: "C5 C6",
    what: "a client goes away in the middle of a command",
    hit: (stage, _, random) => {
      const client = stage.dropClient(random);
      return client === null ? null : { whom: client, forMs: 0 };
    },
  },
  slowDisk: {
    rows: "D16",
    what: "syncs take up to half a second",
    hit: up((server, random) => {
      const forMs = random.between(200, 4000);
      server.slowDiskFor(forMs);
      return forMs;
    }),
  },
  stuckDisk: {
    rows: "D16",
    what: "nothing that was asked of the disk completes for a while",
    hit: up((server, random) => {
      const forMs = random.between(100, 4000);
      server.stickDiskFor(forMs);
      return forMs;
    }),
  },
  syncError: {
    rows: "D12",
    what: "one sync fails and its pages are dropped",
    hit: up((server) => server.failNext("sync")),
  },
  writeError: {
    rows: "D11",
    what: "one write fails, half done",
    hit: up((server) => server.failNext("write")),
  },
  noSpace: {
    rows: "D13",
    what: "no space is left for a while",
    hit: up((server, random) => server.failFor("noSpace", random.between(200, 4000))),
  },
  denied: {
    rows: "D14",
    what: "the mount turns read-only for a while",
    hit: up((server, random) => server.failFor("denied", random.between(200, 4000))),
  },
  readError: {
    rows: "D10",
    what: "reads fail for a while at a start",
    hit: up((server, random) => {
      server.end();
      server.startIn(random.below(500));
      return server.failFor("readError", random.between(200, 4000));
    }),
  },
  bitRot: {
    rows: "D4 D5 D7",
    what: "a bit flips at rest, in front of the last batch",
    hit: (_, server, random) => server.damage("bitRot", random),
  },
  misplaced: {
    rows: "D8",
    what: "valid bytes in the wrong place",
    waits: true,
    hit: inClosedSegment("misplaced"),
  },
  missing: {
    rows: "D18",
    what: "a file is gone: a segment that is not the last, or the identity",
    hit: (_, server, random) => server.damage("missing", random),
  },
  truncated: {
    rows: "D19",
    what: "a segment that is not the last is cut short",
    waits: true,
    hit: inClosedSegment("truncated"),
  },
  leftovers: {
    rows: "D21",
    what: "temporary and unknown files lie about at a start",
    hit: up((server, random) => {
      server.end();
      server.leaveBehind(random);
      server.startIn(random.below(500));
      return 0;
    }),
  },
  lyingDisk: {
    rows: "D9",
    what: "syncs that did nothing, then power fails",
    waitsFor: "a watermark by which a server knows that its log lost its end (2.3)",
    hit: up((server, random, stage) => {
      const forMs = random.between(200, 2000);
      server.disk.lies = true;
      stage.later(forMs, () => {
        if (server.life !== null) server.crash();
        server.disk.lies = false;
        server.startIn(random.below(500));
      });
      return forMs;
    }),
  },
  wiped: {
    rows: "O2",
    what: "an empty disk under an old id",
    hit: (stage, server, random) => {
      const downMs = random.below(500);
      // Not at any moment, so the next one that will do is waited for.
      const tryAgain = (times: number) => {
        if (stage.mayLose(server)) server.wipe(downMs);
        else if (times > 0) stage.later(TRY_MS, () => tryAgain(times - 1));
      };
      tryAgain(TRIES);
      return server.isWiped ? { whom: server.id, forMs: 0 } : null;
    },
  },
  leaves: {
    rows: "P8",
    what: "a process is asked to stop, and hands over before it goes",
    hit: up((server, random) => {
      const [downMs, patienceMs] = [random.below(1500), random.between(3000, 6000)];
      server.leave(downMs, patienceMs);
      return downMs;
    }),
  },
  oldCopy: {
    rows: "D20 O9",
    what: "the data directory of some seconds ago is put back",
    waitsFor: "peers that notice an index below what was acknowledged",
    hit: up((server, random, stage) => {
      const image = server.disk.image();
      const forMs = random.between(500, 4000);
      stage.later(forMs, () => {
        if (server.life !== null) server.crash();
        server.disk.restore(image);
        server.startIn(random.below(500));
      });
      return forMs;
    }),
  },
  rotInLog: {
    rows: "D4 D5 D6 D7 D18 D19",
    what: "a segment rots, is gone, empty or cut short while its server is down, which lives on",
    decays: true,
    hit: spared((server, random) => server.rot("log", random)),
  },
  rotInSnapshots: {
    rows: "D4 S14",
    what: "a snapshot, or each of them, rots while its server is down, which lives on",
    decays: true,
    hit: spared((server, random) => server.rot("snapshot", random)),
  },
  rotInPromises: {
    rows: "D4 D18 D19",
    what: "the promises rot, in one copy or in both, or are gone; the log is whole",
    decays: true,
    hit: spared((server, random) => server.rot("promises", random)),
  },
  rotUnderneath: {
    rows: "D4 D5",
    what: "a closed segment or a snapshot rots while its server is up",
    decays: true,
    waits: true,
    hit: spared((server, random) => server.rotUnderneath(random.chance(3, 4) ? "log" : "snapshot", random)),
  },
  badSectors: {
    rows: "D10",
    what: "some sectors of a segment or of a snapshot cannot be read any more",
    decays: true,
    hit: spared((server, random) => server.rot("sector", random)),
  },
  unreadable: {
    rows: "D10",
    what: "nothing of a segment or of a snapshot can be read for a while",
    decays: true,
    hit: spared((server, random) => server.unreadableFor(random.between(200, 4000), random)),
  },
  diskFull: {
    rows: "D13",
    what: "the files of a server may take only a little more for a while",
    decays: true,
    hit: up((server, random) => server.fillFor(random.below(64 * 1024), random.between(1500, 6000))),
  },
} as const satisfies Readonly<Record<string, Strike>>;

export type StrikeName = keyof typeof table;

/** All kinds, by name. */
export const strikes: Readonly<Record<StrikeName, Strike>> = table;

const isName = (name: string): name is StrikeName => name in table;

/** Those that a seed may draw. */
export const strikesDrawn: readonly StrikeName[] = Object.keys(table).filter(isName)
  .filter((name) => strikes[name].waitsFor === undefined && strikes[name].decays === undefined);

/** Those after which a server lives on with less. */
export const decaysDrawn: readonly StrikeName[] = Object.keys(table).filter(isName)
  .filter((name) => strikes[name].decays === true);

export interface Schedule {
  readonly strikes: readonly StrikeName[];
  readonly strikeEveryMs: number;
}

/** Strikes again and again until `stop` is called; `struck` hears of each. */
export function scheduleStrikes(
  { strikes: names, strikeEveryMs }: Schedule,
  stage: Stage,
  random: Random,
  struck: (name: StrikeName, struck: Struck) => void,
): { stop(): void } {
  let isOver = false;
  let number = 0;
  const attempt = (name: StrikeName, server: Server, own: Random, times: number) => {
    const strike: Strike = strikes[name];
    const hit = strike.hit(stage, server, own);
    if (hit !== null) struck(name, hit);
    else if (stage.decays && strike.waits === true && times > 0) {
      stage.later(TRY_MS, () => attempt(name, server, own, times - 1));
    }
  };
  const next = () =>
    stage.later(1 + random.below(2 * strikeEveryMs), () => {
      if (isOver) return;
      const name = names[random.below(names.length)];
      const server = stage.servers[random.below(stage.servers.length)];
      const own = random.fork(`strike ${++number}`);
      if (name !== undefined && server !== undefined) attempt(name, server, own, TRIES);
      next();
    });
  if (names.length > 0) next();
  return { stop: () => isOver = true };
}
