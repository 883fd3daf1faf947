/**
 * What the store costs with a hundred thousand keys.
 *
 * @module
 */
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { KeyValueMachine } from "../internal/machine/kv.ts";
import { bench } from "./harness.ts";
import { getOf, keyOf, setOf } from "./samples.ts";

await loadCrc32c();

const KEYS = 100_000;
const machine = new KeyValueMachine();
const sets = Array.from({ length: KEYS }, (_, i) => setOf(keyOf(i, KEYS)));
const gets = Array.from({ length: KEYS }, (_, i) => getOf(keyOf(i, KEYS)));
for (const command of sets) machine.apply(command);
let next = 0;

function round(commands: readonly Uint8Array[]): Uint8Array {
  next = next + 1 === KEYS ? 0 : next + 1;
  return commands[next] ?? new Uint8Array(0);
}

bench("machine", [
  { name: "SET of a key that is there", run: () => void machine.apply(round(sets)) },
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
