/**
 * `deno run -A --no-check tools/golden.ts DIRECTORY`: writes the golden data directories of the format that this program writes.
 *
 * Run once for each new format version, into `tests/golden/<version>`, and committed; from then on every later version has to open them
 * (tests/golden/golden_test.ts). `voter` is a life with everything in its log; `learner` one that began anew behind a snapshot; `newer` is
 * what a version after this one might leave, and must be refused; `reused` one that wrote older segments again.
 *
 * Keeps true: the same program writes the same bytes; a directory that is there is not written over.
 *
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assert, must } from "../internal/base/assert.ts";
import { SeededRandom } from "../internal/base/random.ts";
import { encodeCommand, Operation } from "../internal/codec/command.ts";
import { encodeCommandBatch } from "../internal/codec/command_batch.ts";
import { crc32c, loadCrc32c } from "../internal/codec/crc32c.ts";
import { recordOf } from "../internal/codec/record.ts";
import { DiskFileSystem } from "../internal/host/disk_file_system.ts";
import { KeyValueMachine } from "../internal/machine/kv.ts";
import { Applier } from "../internal/node/applier.ts";
import type { WriteEffect } from "../internal/raft/effect.ts";
import type { ConfigurationValue, Entry, Member } from "../internal/raft/types.ts";
import { type DataDirectory, openDataDirectory } from "../internal/storage/data_directory.ts";
import { isSpareName } from "../internal/storage/spares.ts";

const SEGMENT_BYTES = 16 * 1024;
const text = (word: string) => new TextEncoder().encode(word);
const addressOf = (id: string) => `${id}.golden:7101`;

/** What a directory has to give back: its entries with the checksums of their records, and the state of those that are committed. */
interface Content {
  readonly entries: readonly string[];
  readonly commitIndex: number;
  readonly pairs: Readonly<Record<string, string>>;
}

/** A server at work: what it writes is durable when a step is over. */
class Life {
  readonly machine = new KeyValueMachine();
  readonly #directory: DataDirectory;
  readonly #applier: Applier;
  readonly #entries = new Map<number, Entry>();
  #number = 0;
  #committed = 0;
  /** Up to here the log was forgotten. */
  #behind = 0;
  #stable: (number: number) => void = () => {};

  private constructor(directory: DataDirectory, machine: KeyValueMachine) {
    this.#directory = directory;
    this.machine = machine;
    this.#applier = new Applier(machine, 0, () => {});
    directory.store.listen({
      onStable: (number) => this.#stable(number),
      onFailure: (refusal) => {
        throw refusal;
      },
    });
  }

  static async begin(path: string, serverId: string, members: readonly string[]): Promise<Life> {
    const machine = new KeyValueMachine();
    const directory = await openDataDirectory({
      fileSystem: new DiskFileSystem(),
      directory: path,
      random: new SeededRandom(`golden ${serverId}`),
      trace: { event: () => {} },
      segmentBytes: SEGMENT_BYTES,
      wanted: {
        serverId,
        clusterId: "golden",
        members: members.map((id) => ({ id, address: addressOf(id) })),
      },
      restore: () => ({ take: () => null, finish: () => null }),
    });
    return new Life(directory, machine);
  }

  async write(effect: Partial<WriteEffect>): Promise<void> {
    const number = ++this.#number;
    const durable = new Promise<void>((resolve) =>
      this.#stable = (upTo) => upTo >= number ? resolve() : undefined
    );
    for (const entry of effect.append ?? []) this.#entries.set(entry.index, entry);
    this.#directory.store.write({
      kind: "write",
      number,
      hardState: null,
      reset: null,
      truncateFrom: null,
      append: [],
      commitIndex: this.#committed,
      ...effect,
    });
    await durable;
    this.#committed = Math.max(this.#committed, effect.commitIndex ?? 0);
    while (this.#applier.appliedIndex < this.#committed) {
      const entry = this.#entries.get(this.#applier.appliedIndex + 1);
      if (entry === undefined) break;
      this.#applier.apply(entry);
    }
  }

  async snapshot(term: number, configurationIndex: number, configuration: ConfigurationValue): Promise<void> {
    const capture = this.machine.capture();
    const meta = {
      clusterId: "golden",
      index: this.#applier.appliedIndex,
      term,
      configurationIndex,
      configuration,
      digest: capture.digest,
    };
    await this.#directory.snapshots.take(meta, () => capture.next());
  }

  /** Lets go of what two snapshots cover, and waits until it is gone. */
  async letGo(): Promise<void> {
    const { store, snapshots } = this.#directory;
    store.discard(snapshots.coveredIndex);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** A snapshot that came from elsewhere takes the place of the state. */
  async receive(index: number, term: number, configuration: ConfigurationValue): Promise<void> {
    this.#applier.installed(index);
    this.#behind = index;
    this.machine.apply(encodeCommand(Operation.set, [text("from"), text("elsewhere"), text("")]));
    await this.snapshot(term, index, configuration);
    await this.write({ reset: { index, term }, commitIndex: index });
  }

  /** What is there at the end, as this life knows it. */
  async close(): Promise<Content> {
    await this.#directory.close();
    const { machine } = this;
    const keys = machine.read(encodeCommand(Operation.keys, [text("*")]));
    assert(keys.type === "array", "KEYS gives a list");
    const pairs = keys.items.map((key) => {
      assert(key.type === "bulk", "A key is bytes");
      const value = machine.read(encodeCommand(Operation.get, [key.bytes]));
      assert(value.type === "bulk", "It has a value");
      return [key.bytes, value.bytes].map((bytes) => new TextDecoder().decode(bytes));
    });
    return {
      entries: [...this.#entries.values()].filter(({ index }) => index > this.#behind).map((entry) =>
        `${entry.index}:${entry.term} ${entry.kind} ${crc32c(recordOf(entry))}`
      ),
      commitIndex: this.#committed,
      pairs: Object.fromEntries(pairs),
    };
  }
}

function entry(index: number, term: number, operation?: Operation, ...args: readonly string[]): Entry {
  const payload = operation === undefined
    ? new Uint8Array(0)
    : encodeCommandBatch([encodeCommand(operation, args.map(text))]);
  const kind = operation === undefined ? "noop" : "command";
  return { index, term, kind, payload, configuration: null, record: null };
}

function configurationEntry(index: number, term: number, configuration: ConfigurationValue): Entry {
  return { index, term, kind: "configuration", payload: new Uint8Array(0), configuration, record: null };
}

function member(id: string, more: Partial<Member> = {}): Member {
  const incarnation = `000000000000000${id.slice(1)}`;
  return { id, address: addressOf(id), incarnation, priority: 100, promote: false, replaces: null, ...more };
}

const THREE = ["n1", "n2", "n3"];
const learning: ConfigurationValue = {
  voters: THREE,
  outgoing: [],
  learners: ["n4"],
  members: [...THREE.map((id) => member(id)), member("n4", { promote: true, replaces: "n3", priority: 200 })],
};
const joint: ConfigurationValue = {
  voters: ["n1", "n2", "n4"],
  outgoing: THREE,
  learners: [],
  members: [...THREE.map((id) => member(id)), member("n4", { priority: 200 })],
};
const settled: ConfigurationValue = {
  voters: ["n1", "n2", "n4"],
  outgoing: [],
  learners: [],
  members: ["n1", "n2"].map((id) => member(id)).concat(member("n4", { priority: 200 })),
};

/** Every kind of record but a reset, several segments, a snapshot, entries that are not committed. */
async function makeVoter(path: string): Promise<Content> {
  const life = await Life.begin(path, "n1", THREE);
  await life.write({ hardState: { currentTerm: 1, votedFor: "n2" }, append: [entry(1, 1)] });
  await life.write({
    append: [entry(2, 1, Operation.set, "ä key", "a \u0000 value\r\n", "")],
    commitIndex: 1,
  });
  await life.write({ append: [entry(3, 1, Operation.incrBy, "count", "41")], commitIndex: 2 });
  await life.write({ append: [entry(4, 1, Operation.append, "ä key", "and more")], commitIndex: 3 });
  await life.write({ append: [entry(5, 1, Operation.mset, "a", "1", "b", "2", "c", "")], commitIndex: 4 });
  await life.write({
    append: [entry(6, 1, Operation.del, "a"), entry(7, 1, Operation.set, "lost", "x", "")],
  });
  await life.write({ hardState: { currentTerm: 2, votedFor: null } });
  await life.write({ hardState: { currentTerm: 3, votedFor: "n1" } });
  // Entry 7 never was committed, and another leader's takes its place.
  await life.write({ truncateFrom: 7, append: [entry(7, 3)], commitIndex: 6 });
  await life.write({ append: [configurationEntry(8, 3, learning)], commitIndex: 7 });
  for (let index = 9; index <= 60; index++) {
    const value = `${"padding ".repeat(80)}${index}`;
    await life.write({
      append: [entry(index, 3, Operation.set, `key ${index}`, value, "")],
      commitIndex: index - 1,
    });
    if (index === 41) await life.snapshot(3, 8, learning);
  }
  await life.write({ append: [configurationEntry(61, 3, joint)], commitIndex: 60 });
  await life.write({ append: [configurationEntry(62, 3, settled)], commitIndex: 61 });
  await life.write({
    append: [entry(63, 3, Operation.flush), entry(64, 3, Operation.set, "after", "all", "")],
  });
  return await life.close();
}

/** A server that joined, got a snapshot and went on behind it. */
async function makeLearner(path: string): Promise<Content> {
  const life = await Life.begin(path, "n4", []);
  await life.write({ hardState: { currentTerm: 3, votedFor: null } });
  await life.write({ append: [entry(1, 1), entry(2, 1, Operation.set, "stale", "x", "")] });
  await life.receive(40, 3, learning);
  await life.write({ append: [entry(41, 3, Operation.set, "fresh", "y", "")], commitIndex: 41 });
  return await life.close();
}

/** A server that wrote older segments of its log again. */
async function makeReused(path: string): Promise<Content> {
  const life = await Life.begin(path, "n1", THREE);
  await life.write({
    hardState: { currentTerm: 3, votedFor: "n1" },
    append: [configurationEntry(1, 3, settled)],
  });
  for (let index = 2; index <= 120; index++) {
    const value = `${"padding ".repeat(80)}${index}`;
    await life.write({
      append: [entry(index, 3, Operation.set, `key ${index}`, value, "")],
      commitIndex: index - 1,
    });
    if (index % 20 === 1) await life.snapshot(3, 1, settled);
    await life.letGo();
  }
  return await life.close();
}

/** A directory whose identity is of the next format. */
async function makeNewer(path: string): Promise<void> {
  await (await Life.begin(path, "n1", ["n1"])).close();
  const file = join(path, "identity");
  const identity: unknown = JSON.parse(must(readFileSync(file, "utf8").split("\n")[0], "It has a line"));
  assert(typeof identity === "object" && identity !== null && "format" in identity, "It has a format");
  const line = JSON.stringify({ ...identity, format: Number(identity.format) + 1, compression: "zstd" });
  writeFileSync(file, `${line}\ncrc32c ${crc32c(text(line)).toString(16).padStart(8, "0")}\n`);
}

async function main(directory: string | undefined): Promise<void> {
  if (directory === undefined || existsSync(directory)) {
    throw new Error("say which directory is to be made, tests/golden/<version>");
  }
  await loadCrc32c();
  mkdirSync(directory, { recursive: true });
  const makers = [["voter", makeVoter], ["learner", makeLearner], ["reused", makeReused]] as const;
  for (const [name, make] of makers) {
    const content = await make(join(directory, name));
    writeFileSync(join(directory, `${name}.json`), `${JSON.stringify(content, null, 2)}\n`);
  }
  await makeNewer(join(directory, "newer"));
  for (const name of [...makers.map(([name]) => name), "newer"]) {
    const spares = readdirSync(join(directory, name, "log")).filter(isSpareName).map((spare) =>
      `log/${spare}`
    );
    for (const left of ["lock", "log/next.tmp", "log/reserve", ...spares]) {
      rmSync(join(directory, name, left), { force: true });
    }
  }
}

await main(process.argv[2]);
