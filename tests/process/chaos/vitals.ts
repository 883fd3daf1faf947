/**
 * What the operating system says about a process: memory and open descriptors. Linux only; elsewhere nothing is known.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";

export interface Vitals {
  readonly memoryBytes: number;
  readonly descriptors: number;
  /** Processor time used so far, in milliseconds, to 10 ms. */
  readonly cpuMs: number;
}

/** `null` where there is no such process, or no such system. */
export function vitalsOf(pid: number): Vitals | null {
  try {
    const kilobytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    // Behind the name, which may hold anything: state, and from the 12th word on the ticks.
    const words = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
    return {
      memoryBytes: kilobytes * 1024,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      cpuMs: (Number(words[11]) + Number(words[12])) * 10,
    };
  } catch {
    // It ended between two looks, or this system has no /proc.
    return null;
  }
}
