/**
 * Data directories on a real disk for tests of the tools: made by the storage room itself, with a known content, in a directory of their own.
 *
 * @module
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "../../internal/base/assert.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { encodeCommandBatch } from "../../internal/codec/command_batch.ts";
import { DiskFileSystem } from "../../internal/host/disk_file_system.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { Applier } from "../../internal/node/applier.ts";
import type { Entry } from "../../internal/raft/types.ts";
import { type DataDirectory, openDataDirectory } from "../../internal/storage/data_directory.ts";
import { Log } from "../storage/lab.ts";

export const files = new DiskFileSystem();

/** A directory of its own, removed behind the test. */
export async function inTemporary(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "raftline-upkeep-"));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const text = (word: string) => new TextEncoder().encode(word);

/** An entry that sets one key: `key<index>` to `value <index>`, padded. */
export function setEntry(index: number, term: number, padding = 0): Entry {
  const value = text(`value ${index}${"-".repeat(padding)}`);
  const command = encodeCommand(Operation.set, [text(`key${index}`), value, text("")]);
  return {
    index,
    term,
    kind: "command",
    payload: encodeCommandBatch([command]),
    configuration: null,
    record: null,
  };
}

export interface Plan {
  readonly serverId?: string;
  readonly clusterId?: string;
  readonly members?: readonly string[];
  readonly entries: number;
  /** Bytes that each value has more. */
  readonly padding?: number;
  /** How many of them are known to be committed. */
  readonly committed?: number;
  /** Behind these entries a snapshot is taken. */
  readonly snapshotsAt?: readonly number[];
  /** Up to here the log is let go of. */
  readonly discardTo?: number;
  readonly segmentBytes?: number;
}

const SEGMENT_BYTES = 16 * 1024;

/** Makes a data directory in which a server lived: one term, a vote, entries that set keys, snapshots. */
export async function makeDirectory(directory: string, plan: Plan): Promise<void> {
  const { entries, padding = 300, committed = entries, snapshotsAt = [], discardTo = 0 } = plan;
  const { serverId = "n1", clusterId = "workshop", members = ["n1", "n2", "n3"] } = plan;
  const machine = new KeyValueMachine();
  const opened = await openDirectory(directory, machine, { serverId, clusterId, members }, plan.segmentBytes);
  const applier = new Applier(machine, 0, () => {});
  const { store, snapshots, identity } = opened;
  let waiting: { readonly number: number; readonly resolve: () => void } | null = null;
  store.listen({
    onStable: (upTo) => {
      if (waiting !== null && upTo >= waiting.number) waiting.resolve();
    },
    onFailure: (refusal) => {
      throw refusal;
    },
  });
  const configuration = {
    voters: members,
    outgoing: [],
    learners: [],
    members: members.map((id) => ({
      id,
      address: `${id}:1`,
      incarnation: "",
      priority: 100,
      promote: false,
      replaces: null,
    })),
  };
  for (let index = 1; index <= entries; index++) {
    const entry = setEntry(index, 1, padding);
    const durable = new Promise<void>((resolve) => waiting = { number: index, resolve });
    store.write({
      kind: "write",
      number: index,
      hardState: index === 1 ? { currentTerm: 1, votedFor: serverId } : null,
      reset: null,
      truncateFrom: null,
      append: [entry],
      commitIndex: Math.min(index, committed),
    });
    await durable;
    applier.apply(entry);
    if (!snapshotsAt.includes(index)) continue;
    const capture = machine.capture();
    const meta = {
      clusterId: identity.clusterId,
      index,
      term: 1,
      configurationIndex: 0,
      configuration,
      digest: capture.digest,
    };
    await snapshots.take(meta, () => capture.next());
  }
  store.discard(discardTo);
  // What is let go of goes when there is time, and not any more once the store is closing.
  for (let tries = 0; discardTo > 0 && tries < 400 && segmentsOf(directory)[0]?.endsWith("01.seg"); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await opened.close();
}

/** Opens a data directory as a server does. */
export async function openDirectory(
  directory: string,
  machine: KeyValueMachine,
  wanted: { readonly serverId: string; readonly clusterId: string; readonly members: readonly string[] },
  segmentBytes = SEGMENT_BYTES,
): Promise<DataDirectory> {
  return await openDataDirectory({
    fileSystem: files,
    directory,
    random: new SeededRandom(`workshop ${directory.length}`),
    trace: new Log(),
    segmentBytes,
    wanted: { ...wanted, members: wanted.members.map((id) => ({ id, address: `${id}:1` })) },
    restore: ({ digest }) => {
      const restoration = machine.restore();
      return { take: (chunk) => restoration.take(chunk), finish: () => restoration.finish(digest) };
    },
  });
}

/** The files below a directory, by their path from there, with their bytes. */
export function contentOf(directory: string, under = ""): Map<string, Uint8Array> {
  const content = new Map<string, Uint8Array>();
  for (const name of readdirSync(join(directory, under)).sort()) {
    const path = under === "" ? name : `${under}/${name}`;
    if (statSync(join(directory, path)).isDirectory()) {
      for (const [inner, bytes] of contentOf(directory, path)) content.set(inner, bytes);
    } else content.set(path, new Uint8Array(readFileSync(join(directory, path))));
  }
  return content;
}

/** Changes a byte of a file. */
export function flip(path: string, offset: number): void {
  const bytes = new Uint8Array(readFileSync(path));
  bytes[offset] = must(bytes[offset], "The file is as long") ^ 0x10;
  writeFileSync(path, bytes);
}

/** The segments of a data directory, oldest first. */
export function segmentsOf(directory: string): readonly string[] {
  return readdirSync(join(directory, "log")).filter((name) => name.endsWith(".seg")).sort()
    .map((name) => join(directory, "log", name));
}
