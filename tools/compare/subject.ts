/**
 * What is compared, as the runs see it.
 *
 * @module
 */
import { TestClient } from "../../tests/process/client.ts";
import { eventually, type Running } from "../../tests/process/harness.ts";
import type { WireName } from "./driver_order.ts";

/** A subject that runs. */
export interface Started {
  /** Every server's port, the best one for load first. */
  readonly ports: readonly number[];
  /** Their processes, in the same order. */
  readonly pids: readonly number[];
  /** What the servers said on standard error. */
  said(): string;
  stop(): Promise<void>;
}

export interface Subject {
  readonly name: string;
  readonly wire: WireName;
  /** Whether every server takes load. */
  readonly spreads: boolean;
  /** How many servers keep what was acknowledged, and when they sync it. */
  readonly durability: string;
  /** What a get is worth. */
  readonly reads: string;
  /** The program that has to be there, and Debian's package that has it. */
  readonly needs?: { readonly path: string; readonly package: string };
  start(directory: string): Promise<Started>;
}

export function pidsOf(running: Iterable<Running>): number[] {
  return [...running].map(({ child }) => child.pid ?? 0);
}

/** Waits until somebody listens there. */
export async function accepts(port: number): Promise<void> {
  await eventually(`port ${port} accepts`, 60_000, async () => {
    (await TestClient.connect(port)).close();
    return true;
  });
}
