/**
 * How fast the simulator is on a steady load without faults: five servers and fifty operations a second, with whole servers, their real
 * encodings, simulated disks, and every check on. A fixed load, so that figures can be compared.
 *
 * @module
 */
import { noDecay, type Odds } from "./odds.ts";
import { calmNetwork } from "./sim_network.ts";
import { World } from "./world.ts";

/** Ten clients that think for about 195 ms, and wait for some 5 ms, ask about fifty times a second. */
const steadyOdds: Odds = {
  servers: 5,
  heartbeatMs: 50,
  electionMs: [300, 600],
  narrow: false,
  segmentBytes: 32 * 1024,
  network: { ...calmNetwork, latencyMs: [0.05, 2] },
  strikes: [],
  strikeEveryMs: 1000,
  decay: noDecay,
  driftPermille: 0,
  rest: "well",
  operatorEveryMs: 0,
  spares: 0,
  reads: "leader",
  clients: 10,
  thinkMs: 195,
  pipelineOneIn: 0,
  valueBytes: 16,
  snapshotEntries: 500,
  logMemoryEntries: 200,
  pieceBytes: 64 * 1024,
  pieces: 4,
  divergenceEntries: 100,
};

export interface SteadyRun {
  readonly simulatedMs: number;
  readonly operations: number;
  readonly events: number;
  readonly steps: number;
}

/** Simulates so much time of the steady load. @throws where a property is broken */
export async function runSteady(seed: number, ms: number): Promise<SteadyRun> {
  const world = new World({ seed: `speed/${seed}`, faultyMs: ms, calmMs: 0, odds: steadyOdds });
  await world.runFor(ms);
  const { counts, history, time } = world;
  return {
    simulatedMs: time.now,
    operations: history.counts.ok,
    events: counts.events,
    steps: counts.steps,
  };
}
