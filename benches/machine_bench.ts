/**
 * What the store costs with a hundred thousand keys.
 *
 * @module
 */
import { copyLongBy } from "../internal/base/copy.ts";
import { SeededRandom } from "../internal/base/random.ts";
import { encodeCommandBatch } from "../internal/codec/command_batch.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { systemCopy } from "../internal/host/system_copy.ts";
import { KeyValueMachine } from "../internal/machine/kv.ts";
import { Applier } from "../internal/node/applier.ts";
import { bench } from "./harness.ts";
import { getOf, keyOf, setOf } from "./samples.ts";

await loadCrc32c();
if (systemCopy !== null) copyLongBy(systemCopy);

const KEYS = 100_000;
const machine = new KeyValueMachine();
const sets = Array.from({ length: KEYS }, (_, i) => setOf(keyOf(i, KEYS)));
const gets = Array.from({ length: KEYS }, (_, i) => getOf(keyOf(i, KEYS)));
for (const command of sets) machine.apply(command);
let next = 0;

/** What a pipeline of commands becomes: entries of many, whose keys lie all over memory. */
const ENTRY_COMMANDS = 375;
const random = new SeededRandom("keys");
const payloads = Array.from({ length: 200 }, () =>
  encodeCommandBatch(
    Array.from({ length: ENTRY_COMMANDS }, () => sets[random.below(KEYS)] ?? new Uint8Array(0)),
  ));
const applier = new Applier(machine, 0, () => {});

function round(commands: readonly Uint8Array[]): Uint8Array {
  next = next + 1 === KEYS ? 0 : next + 1;
  return commands[next] ?? new Uint8Array(0);
}

bench("machine", [
  { name: "SET of a key that is there", run: () => void machine.apply(round(sets)) },
  {
    name: "SETs in entries, of keys at random",
    operations: ENTRY_COMMANDS,
    run: () => {
      const index = applier.appliedIndex + 1;
      const payload = payloads[index % payloads.length] ?? new Uint8Array(0);
      applier.apply({ index, term: 1, kind: "command", payload, configuration: null, record: null });
    },
  },
  { name: "GET", run: () => void machine.read(round(gets)) },
  {
    name: "SET of new keys",
    operations: 10_000,
    run: () => {
      const fresh = new KeyValueMachine();
      for (let i = 0; i < 10_000; i++) fresh.apply(sets[i] ?? new Uint8Array(0));
    },
  },
  {
    name: "capture",
    operations: KEYS,
    run: () => {
      const capture = machine.capture();
      while (capture.next() !== null);
    },
  },
]);
