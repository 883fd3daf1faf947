/**
 * How long a server with a long log takes to start.
 *
 * The log is written by the server itself, under load, and no snapshot is taken. The clock runs from the start of the process to its
 * first answer. The file is in the cache of the system as the server left it, so that what is measured is the server and not the disk.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { TestClient } from "../../tests/process/client.ts";
import { eventually, freePorts, Running } from "../../tests/process/harness.ts";
import { Driver } from "./driver_order.ts";
import { raftlineProgram } from "./subjects.ts";
import { residentBytes } from "./usage.ts";

export interface LongStart {
  /** Of the log. */
  readonly bytes: number;
  readonly seconds: number;
  /** Lines that told how far it was. */
  readonly progress: number;
  readonly megabytes: number;
}

const COMMANDS_AT_ONCE = { clients: 64, pipeline: 4 };
const KEYS = 100_000;
/** What a command takes in the log besides its value, about. */
const OVERHEAD_BYTES = 32;
const WITHIN_MS = 300_000;

export async function longStart(
  logBytes: number,
  valueBytes: number,
  options: { readonly directory: string },
): Promise<LongStart> {
  mkdirSync(options.directory, { recursive: true });
  const directory = mkdtempSync(join(options.directory, "raftline-start-"));
  const [port = 0, peer = 0] = await freePorts(2);
  const start = () =>
    new Running(raftlineProgram, [
      ...["serve", "--id", "n1", "--data", directory, "--client", `127.0.0.1:${port}`],
      ...["--peer", `127.0.0.1:${peer}`, "--snapshot-entries", "1000000000"],
      ...["--snapshot-log-bytes", String(2 ** 40)],
    ]);
  const driver = new Driver();
  let server = start();
  try {
    await answers(port, server);
    await driver.run({
      wire: "resp",
      ports: [port],
      work: "set",
      ...COMMANDS_AT_ONCE,
      valueBytes,
      keys: KEYS,
      firstKey: 0,
      operations: Math.ceil(logBytes / (valueBytes + OVERHEAD_BYTES)),
      seed: 1,
    });
    await server.kill();
    const bytes = bytesIn(join(directory, "log"));
    const from = performance.now();
    server = start();
    await answers(port, server);
    const seconds = (performance.now() - from) / 1000;
    const progress = server.stderr.split("\n").filter((line) => line.includes("recovering")).length;
    return { bytes, seconds, progress, megabytes: residentBytes(server.child.pid ?? 0) / 1e6 };
  } finally {
    await Promise.all([driver.stop(), server.kill()]);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The first answer that reads. */
async function answers(port: number, server: Running): Promise<void> {
  await eventually("the server reads", WITHIN_MS, async () => {
    if (server.isOver) throw new Error(`it ended: ${server.stderr}`);
    const client = await TestClient.connect(port);
    const answer = await client.send("GET", "key:000000000001");
    client.close();
    return answer === null || typeof answer === "string";
  });
}

function bytesIn(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}
