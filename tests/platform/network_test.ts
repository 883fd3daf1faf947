/**
 * Kind: integration (one suite on real TCP and on the simulated network), with units for what only one of them has.
 *
 * Invariant: the contract of `Network` (tests/platform/network_contract.ts), on Deno; that Bun keeps it too is asked of Bun
 * (tests/platform/bun_network_test.ts).
 *
 * Learnt: on real TCP the end of a `close()` reaches the other side as `onEnd` or as `onClose`, on the simulated network always as
 * `onClose`; so whoever hears `onEnd` must end or close its own side. The simulated network has no back-pressure and cannot write before
 * the dial is answered, so these have real tests only.
 */
import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { TcpNetwork } from "../../internal/host/tcp_network.ts";
import { calmNetwork, type NetworkFaults, SimNetwork } from "../simulator/sim_network.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";
import { virtually } from "./drive.ts";
import { assertSame, Bench, onBench, onLoopback } from "./network_bench.ts";
import { contract, HELLO } from "./network_contract.ts";
import { tcpContract } from "./tcp_contract.ts";

const CALM: NetworkFaults = { ...calmNetwork, latencyMs: [0.1, 5] };

/** Two servers on a simulated network. */
function world(faults: NetworkFaults = CALM) {
  const time = new VirtualTime();
  const network = new SimNetwork(time, new SeededRandom("network"), faults);
  const clock = new LifeClock(time);
  const wait = (ms: number) => new Promise<void>((resolve) => void time.at(time.now + ms, resolve));
  const bench = new Bench(
    network.bodyFor("n1", clock),
    network.bodyFor("n2", new LifeClock(time)),
    { host: "n2", port: 7001 },
    wait,
  );
  return { network, bench, drive: virtually(time) };
}

for (const { what, run } of contract) {
  Deno.test(`real TCP: ${what}`, () => onLoopback(new TcpNetwork(), run));
  Deno.test(`simulated network: ${what}`, () => {
    const { bench, drive } = world();
    return onBench(drive, bench, run);
  });
}
for (const { what, run } of tcpContract) {
  Deno.test(`real TCP: ${what}`, () => onLoopback(new TcpNetwork(), run));
}

/* ---- the simulated network alone: faults ---- */

Deno.test("simulated network: what is written through a cut path is queued, and arrives in order when it is healed", async () => {
  const { network, bench, drive } = world();
  await onBench(drive, bench, async () => {
    const { near, far } = await bench.pair();
    near.connection.write(Uint8Array.of(1));
    await bench.facts.until(() => far.bytes === 1);
    network.cut("n1", "n2");
    near.connection.write(Uint8Array.of(2));
    near.connection.write(Uint8Array.of(3, 4));
    far.connection.write(Uint8Array.of(9));
    await bench.wait(1000);
    assertEquals([far.bytes, near.bytes, near.connection.bytesQueued], [1, 1, 3], "one way only is cut");
    network.heal();
    near.connection.write(Uint8Array.of(5));
    await bench.facts.until(() => far.bytes === 5);
    assertEquals([far.received, near.connection.bytesQueued], [Uint8Array.of(1, 2, 3, 4, 5), 0]);
  });
});

Deno.test("simulated network: a dial through a cut path gets no answer", async () => {
  const { network, bench, drive } = world();
  await onBench(drive, bench, async () => {
    const { address, accepted } = await bench.port();
    network.cut("n2", "n1");
    const near = bench.dial(address);
    await bench.wait(1000);
    assertEquals([near.heard, accepted.length], [[], 0]);
  });
});

Deno.test("simulated network: who dies breaks its connections and frees its ports", async () => {
  const { network, bench, drive } = world();
  await onBench(drive, bench, async () => {
    const { near, port } = await bench.pair();
    network.died("n2");
    await bench.facts.until(() => near.isClosed);
    const next = bench.dial(port.address);
    await bench.facts.until(() => next.isClosed);
    assertEquals(
      [near.heard, next.heard],
      [["open", "close: connection reset"], ["close: connection refused"]],
    );
  });
});

Deno.test("simulated network: writes vanish whole or come twice, and a connection breaks within one; a greeting is spared", async () => {
  const frame = (number: number) => Uint8Array.of(number, number, number, number);
  const frames = Array.from({ length: 200 }, (_, i) => frame(i));
  for (const faults of [{ ...CALM, lossPermille: 500 }, { ...CALM, duplicatePermille: 500 }]) {
    const { network, bench, drive } = world(faults);
    await onBench(drive, bench, async () => {
      const { near, far } = await bench.pair();
      for (const bytes of frames) near.connection.write(bytes);
      const { lost, duplicated } = network.counts;
      assert(lost + duplicated > 50);
      await bench.facts.until(() => far.bytes === 4 * (frames.length - lost + duplicated));
      const numbers: number[] = [];
      for (let at = 0; at < far.bytes; at += 4) {
        const number = far.received[at];
        assert(number !== undefined);
        assertEquals(far.received.slice(at, at + 4), frame(number), "frames stay whole");
        numbers.push(number);
      }
      assertEquals(numbers, numbers.toSorted((a, b) => a - b), "and in order");
      assertEquals(numbers.slice(0, 2).filter((number) => number === 0), [0], "the greeting comes once");
    });
  }
  const { bench, drive } = world({ ...CALM, breakPermille: 1000 });
  await onBench(drive, bench, async () => {
    const { near, far } = await bench.pair();
    near.connection.write(HELLO.slice());
    await bench.facts.until(() => near.isClosed && far.isClosed);
    assertSame(far.received, HELLO.subarray(0, far.bytes));
  });
});
