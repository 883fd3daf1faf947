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
import type { WriteEffect } from "../../internal/raft/effect.ts";
import type { ConfigurationValue, Entry } from "../../internal/raft/types.ts";
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

/** An entry by which the servers agree on what the state behind an index was. */
export function checkEntry(index: number, about: number, digest: number): Entry {
  const command = encodeCommand(Operation.check, [text(String(about)), text(String(digest))]);
  return { ...setEntry(index, 1), payload: encodeCommandBatch([command]) };
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

export const SEGMENT_BYTES = 20 * 1024;

/** A server's disk in the hands of a test. */
export class Hand {
  readonly directory: DataDirectory;
  readonly machine: KeyValueMachine;
  readonly #applier: Applier;
  #number = 0;
  #stable: (number: number) => void = () => {};

  /** `appliedIndex` is what the machine has already. */
  constructor(directory: DataDirectory, machine: KeyValueMachine, appliedIndex = 0) {
    this.directory = directory;
    this.machine = machine;
    this.#applier = new Applier(machine, appliedIndex, () => {});
    directory.store.listen({
      onStable: (number) => this.#stable(number),
      onFailure: (refusal) => {
        throw refusal;
      },
    });
  }

  /** Writes, and returns when it is durable. */
  async write(effect: Partial<WriteEffect>): Promise<void> {
    const number = ++this.#number;
    const durable = new Promise<void>((resolve) =>
      this.#stable = (upTo) => upTo >= number ? resolve() : undefined
    );
    this.directory.store.write({
      kind: "write",
      number,
      hardState: null,
      reset: null,
      truncateFrom: null,
      append: [],
      commitIndex: 0,
      ...effect,
    });
    await durable;
  }

  apply(entry: Entry): void {
    this.#applier.apply(entry);
  }

  /** Takes a snapshot of what is applied. */
  async snapshot(term: number, configuration: ConfigurationValue): Promise<void> {
    const capture = this.machine.capture();
    const { clusterId } = this.directory.identity;
    const index = this.#applier.appliedIndex;
    const meta = { clusterId, index, term, configurationIndex: 0, configuration, digest: capture.digest };
    await this.directory.snapshots.take(meta, () => capture.next());
  }
}

/** Makes a data directory in which a server lived: one term, a vote, entries that set keys, snapshots. */
export async function makeDirectory(directory: string, plan: Plan): Promise<void> {
  const { entries, padding = 300, committed = entries, snapshotsAt = [], discardTo = 0 } = plan;
  const { serverId = "n1", clusterId = "workshop", members = ["n1", "n2", "n3"] } = plan;
  const machine = new KeyValueMachine();
  const opened = await openDirectory(directory, machine, { serverId, clusterId, members }, plan.segmentBytes);
  const hand = new Hand(opened, machine);
  for (let index = 1; index <= entries; index++) {
    const entry = setEntry(index, 1, padding);
    await hand.write({
      hardState: index === 1 ? { currentTerm: 1, votedFor: serverId } : null,
      append: [entry],
      commitIndex: Math.min(index, committed),
    });
    hand.apply(entry);
    if (snapshotsAt.includes(index)) await hand.snapshot(1, votersOf(members));
  }
  opened.store.discard(discardTo);
  // What is let go of goes when there is time, and not any more once the store is closing.
  for (let tries = 0; discardTo > 0 && tries < 400 && segmentsOf(directory)[0]?.endsWith("01.seg"); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await opened.close();
}

/** These servers vote, and there is nobody else. */
export function votersOf(ids: readonly string[]): ConfigurationValue {
  const members = ids.map((id) => ({
    id,
    address: `${id}:1`,
    incarnation: "",
    priority: 100,
    promote: false,
    replaces: null,
  }));
  return { voters: ids, outgoing: [], learners: [], members };
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
