/**
 * Rule `layers`: imports point to the one that knows less.
 *
 * Keeps true: a file imports from its own room and from what its room's line below names, nothing else; a room that has
 * no line is refused. The lines are the arrows of the design. Packages, files of deps/ and host modules are named one by
 * one, so a new one is a decision and not an accident.
 *
 * @module
 */
import { posix } from "node:path";
import type { Import } from "./imports.ts";
import type { Finding } from "./source.ts";

interface Room {
  /** Rooms or files, by the beginning of their path. */
  readonly imports?: readonly string[];
  /** The same, but only by `import type`. */
  readonly types?: readonly string[];
  /** Packages by their bare name. */
  readonly packages?: readonly string[];
  /** Whether the modules of the host are open to it: `node:`, and imports whose name is computed. */
  readonly host?: boolean;
}

const BASE = "internal/base/";
const PLATFORM = "internal/platform/";
const CODEC = "internal/codec/";
const RAFT = "internal/raft/";
const ABOVE_CODEC = [CODEC, PLATFORM, BASE];
const ROOMS_OF_NODE = ["storage", "peers", "clients", "machine"].map((room) => `internal/${room}/`);
const PURE = [...ABOVE_CODEC, RAFT, ...ROOMS_OF_NODE, "internal/node/"];

const ROOMS: Readonly<Record<string, Room>> = {
  "internal/base": {},
  "internal/raft": { imports: [BASE] },
  "internal/platform": { imports: [BASE] },
  "internal/codec": { imports: [BASE, PLATFORM], types: [RAFT] },
  "internal/machine": { imports: [...ABOVE_CODEC], types: [RAFT] },
  "internal/storage": { imports: ABOVE_CODEC, types: [RAFT] },
  "internal/peers": { imports: ABOVE_CODEC, types: [RAFT] },
  "internal/clients": { imports: ABOVE_CODEC, types: [RAFT] },
  "internal/node": { imports: [...ROOMS_OF_NODE, RAFT, ...ABOVE_CODEC] },
  // Directories at rest: it replays logs as a server does, and starts none.
  "internal/upkeep": {
    imports: ["internal/storage/", "internal/machine/", "internal/node/applier.ts", ...ABOVE_CODEC],
    types: [RAFT],
  },
  "internal/host": { imports: [PLATFORM, BASE], host: true },
  // The checker of histories, the simulator and the proxy ship with the program; nothing else of the tests does.
  "cmd": {
    imports: ["internal/", "tests/linearizability/", "tests/simulator/", "tests/process/proxy/", "deno.json"],
    packages: ["@std/cli"],
    host: true,
  },
  "main.ts": { imports: ["cmd/", BASE], host: true },
  "deps": { packages: ["deno-std"] },
  "tests/linearizability": { imports: [BASE], packages: ["@std/assert"] },
  "tests/simulator": {
    imports: [...PURE, "tests/invariants/", "tests/linearizability/"],
    packages: ["@std/assert"],
    host: true,
  },
  // The proxy ships in the binary, so it may know no more than the rooms it needs.
  "tests/process/proxy": { imports: [PLATFORM, CODEC, BASE, "cmd/flags.ts"], host: true },
  "tests": {
    imports: ["internal/", "cmd/", "deps/", "tools/", "tests/", "main.ts"],
    packages: ["@std/assert", "cborg", "hash-wasm", "ioredis"],
    host: true,
  },
  "benches": { imports: ["internal/", "tests/"], host: true },
  "tools": { imports: ["internal/", "cmd/", "deps/", "tests/"], host: true },
};

/** The room that a path lies in, by the longest name that fits. */
function roomOf(path: string): string | undefined {
  return Object.keys(ROOMS)
    .filter((room) => path === room || path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** `@std/cli/parse-args` is of the package `@std/cli`. */
function packageOf(specifier: string): string {
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function among(path: string, beginnings: readonly string[] | undefined): boolean {
  return beginnings?.some((beginning) => path.startsWith(beginning)) ?? false;
}

/** What is wrong with one import; `null` if nothing is. */
function objectionTo(path: string, name: string, room: Room, { specifier, typeOnly }: Import): string | null {
  if (specifier === null) return room.host ? null : `${name} imports by a computed name`;
  if (/^(?:node|bun):/u.test(specifier)) {
    return room.host ? null : `${name} imports ${specifier}, a module of the host`;
  }
  if (!/^\.{1,2}\//u.test(specifier)) {
    const wanted = packageOf(specifier);
    return room.packages?.includes(wanted) ? null : `${name} imports the package ${wanted}`;
  }
  const target = posix.join(posix.dirname(path), specifier);
  if (roomOf(target) === name || among(target, room.imports)) return null;
  if (!among(target, room.types)) return `${name} imports ${target}`;
  return typeOnly ? null : `${name} imports more than types from ${target}: say \`import type\``;
}

export function checkLayers(path: string, imports: readonly Import[]): readonly Finding[] {
  const name = roomOf(path);
  const room = name === undefined ? undefined : ROOMS[name];
  if (name === undefined || room === undefined) {
    return [{ path, line: 1, rule: "layers", what: "the file lies in no room that the rule knows" }];
  }
  return imports.flatMap((one) => {
    const what = objectionTo(path, name, room, one);
    return what === null ? [] : [{ path, line: one.line, rule: "layers", what }];
  });
}
