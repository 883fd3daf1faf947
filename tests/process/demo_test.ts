/**
 * Kind: integration (real processes).
 *
 * Invariant: `raftline demo` shows each server's ports and data and a line to paste; Ctrl-C ends all of it with exit code 0; started again, it
 * finds the data; and its servers end with it even if it is killed. `cli`, `status` and `bench` work on it.
 *
 * Learnt: a killed parent tells nobody; its children see the end of their standard input.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { TestClient } from "./client.ts";
import { compiled, eventually, fromSource, missingBinary, type Program, run, Running } from "./harness.ts";

/** A port from which the demo's ports are counted; far from the ports that the system hands out. */
let basePort = 21_000 + (process.pid % 40) * 200;

async function onDemo(
  program: Program,
  body: (demo: () => Promise<Running>, base: number, data: string) => Promise<void>,
): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), "raftline-demo-"));
  basePort += 5;
  const base = basePort;
  const started: Running[] = [];
  try {
    await body(
      async () => {
        const demo = new Running(program, ["demo", "--base-port", String(base), "--data", data]);
        started.push(demo);
        await demo.said(/Ctrl-C stops all of it/, 20_000);
        return demo;
      },
      base,
      data,
    );
  } finally {
    for (const demo of started) {
      demo.signal("SIGKILL");
      for (const pid of pidsOf(demo)) if (isAlive(pid)) process.kill(pid, "SIGKILL");
    }
    await rm(data, { recursive: true, force: true });
  }
}

function pidsOf({ stdout }: Running): number[] {
  return [...stdout.matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // There is no such process any more.
    return false;
  }
}

const programs: readonly Program[] = missingBinary() === null ? [compiled, fromSource] : [fromSource];

for (const program of programs) {
  Deno.test(`demo, ${program.name}: it tells where it is, stops on Ctrl-C, and finds its data again`, () =>
    onDemo(program, async (start, base) => {
      const demo = await start();
      for (let i = 0; i < 3; i++) {
        assertMatch(
          demo.stdout,
          new RegExp(`n${i + 1}  clients 127.0.0.1:${base + i}  peers 127.0.0.1:${base + 100 + i}  data `),
        );
      }
      const shell = { name: "sh", command: "sh", args: ["-c"] };
      const line = demo.stdout.split("\n").find((text) => text.includes("nc -q1"))?.trim() ?? "";
      const pasted = await run(shell, [line]);
      assertEquals(pasted.stdout, "+OK\r\n$5\r\nhello\r\n");
      const statusLine = demo.stdout.split("\n").find((text) => text.includes(" status --connect ")) ?? "";
      const status = await run(shell, [statusLine]);
      assertEquals([status.code, status.stderr, status.stdout.split("\n").length], [0, "", 5]);
      assert(!demo.stdout.includes(" warn "), "starting is no news");
      const pids = pidsOf(demo);
      assertEquals(pids.length, 3);
      demo.signal("SIGINT");
      assertEquals((await demo.ended).code, 0);
      assertEquals(pids.filter(isAlive), []);
      await start();
      const client = await TestClient.connect(base + 1);
      assertEquals(await client.within(5000, client.send("GET", "greeting")), "hello");
      client.close();
    }));
}

Deno.test("demo: its servers end when it is killed", () =>
  onDemo(programs[0] ?? fromSource, async (start) => {
    const demo = await start();
    const pids = pidsOf(demo);
    await demo.kill();
    await eventually("the servers end", 10_000, () => Promise.resolve(!pids.some(isAlive)));
  }));

Deno.test("demo: a server that was killed is told of, with the line that brings it back", () =>
  onDemo(programs[0] ?? fromSource, async (start, base) => {
    const demo = await start();
    const [first = 0] = pidsOf(demo);
    process.kill(first, "SIGKILL");
    await demo.said(/^n1 ended by SIGKILL; the others go on/m, 5000);
    const line = demo.stdout.split("\n").find((text) => text.includes(" serve --id n1 ")) ?? "";
    const again = new Running({ name: "sh", command: "sh", args: ["-c"] }, [`exec ${line.trim()}`]);
    try {
      await eventually("the server is back", 10_000, async () => {
        const status = await run(programs[0] ?? fromSource, ["status", "--connect", `127.0.0.1:${base}`]);
        return status.code === 0;
      });
    } finally {
      await again.kill();
    }
  }));

Deno.test("demo: a taken port is one line, and nothing is left running", () =>
  onDemo(programs[0] ?? fromSource, async (start, base) => {
    await start();
    const second = await run(programs[0] ?? fromSource, [
      "demo",
      "--base-port",
      String(base),
      "--data",
      join(tmpdir(), `raftline-demo-second-${process.pid}`),
    ]);
    await rm(join(tmpdir(), `raftline-demo-second-${process.pid}`), { recursive: true, force: true });
    assertEquals(second.code, 78);
    assertMatch(second.stderr, /^raftline: server n\d did not start: .*in use/);
    for (const [, pid] of second.stdout.matchAll(/pid (\d+)/g)) assert(!isAlive(Number(pid)));
  }));

Deno.test("demo: data that another demo has is one line and the code of the server that said so", () =>
  onDemo(programs[0] ?? fromSource, async (start, base, data) => {
    await start();
    const second = await run(programs[0] ?? fromSource, [
      "demo",
      "--base-port",
      String(base),
      "--data",
      data,
    ]);
    assertEquals(second.code, 73);
    assertMatch(
      second.stderr,
      /^raftline: server n\d did not start: .* in use by another process; if another demo .*\n$/,
    );
  }));

Deno.test("cli, status and bench work on a running cluster", () =>
  onDemo(programs[0] ?? fromSource, async (start, base) => {
    const program = programs[0] ?? fromSource;
    await start();
    const connect = ["--connect", `127.0.0.1:${base},127.0.0.1:${base + 1}`];
    const set = await run(program, ["cli", ...connect, "SET", "name", "Ada Lovelace"]);
    assertEquals([set.code, set.stdout], [0, "OK\n"]);
    const get = await run(program, ["cli", ...connect, "GET", "name"]);
    assertEquals([get.code, get.stdout], [0, "Ada Lovelace\n"]);
    const bad = await run(program, ["cli", ...connect, "INCR", "name"]);
    assertEquals(bad.code, 1);
    assertMatch(bad.stdout + bad.stderr, /ERR value is not an integer/);
    const status = await run(program, ["status", ...connect]);
    assertEquals(status.code, 0);
    assertMatch(status.stdout, /leader/);
    for (const id of ["n1", "n2", "n3"]) assertMatch(status.stdout, new RegExp(`^\\s*${id}\\b`, "m"));
    const bench = await run(program, ["bench", ...connect, "--seconds", "1", "--clients", "4"]);
    assertEquals(bench.code, 0, bench.stderr);
    assertMatch(bench.stdout, /p99/);
  }));
