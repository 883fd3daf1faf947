/**
 * Kind: integration (real processes).
 *
 * Invariant: bad input gets one clear line and the right exit code, or an `-ERR`; never a stack trace; and the cluster goes on (C1 to C8, O1 to O13
 * of the fault model as far as they exist).
 *
 * Learnt: run as root, a directory without permissions can be written all the same; a file in the place of the directory cannot.
 */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { onCluster } from "./cluster.ts";
import { TestClient } from "./client.ts";
import {
  type Cluster,
  compiled,
  freePorts,
  fromSource,
  missingBinary,
  type Program,
  run,
  Running,
} from "./harness.ts";

const program = missingBinary() === null ? compiled : fromSource;
const three: readonly Program[] = [program, program, program];

/** One line, no stack, the exit code. */
function assertRefused(
  { code, stdout, stderr }: {
    readonly code: number | null;
    readonly stdout: string;
    readonly stderr: string;
  },
  expected: number,
  text: RegExp,
): void {
  const own = stderr.split("\n").filter((line) => line.startsWith("raftline: "));
  assertEquals(own.length, 1, `one line of refusal: ${stderr}`);
  assertMatch(own[0] ?? "", text);
  assert(!/^\s+at /m.test(stderr), `no stack: ${stderr}`);
  assert(!stdout.includes("Error"), stdout);
  assertEquals(code, expected, stderr);
}

async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "raftline-test-"));
  try {
    await body(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Sends bytes, and gives everything that came back until the other side ended, or for so long. */
function exchange(port: number, chunks: Iterable<Uint8Array | string>, ms = 5000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    let heard = "";
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(heard);
    };
    const timer = setTimeout(end, ms);
    socket.on("data", (chunk) => heard += chunk.toString("latin1"));
    socket.on("close", end);
    // A reset while we still send is one of the ways in which the other side may end.
    socket.on("error", (error) => "code" in error && error.code === "ECONNREFUSED" ? reject(error) : end());
    socket.on("connect", () => {
      for (const chunk of chunks) socket.write(chunk);
    });
  });
}

/** The cluster takes writes, and every process lives. */
async function assertGoesOn(cluster: Cluster, value: string): Promise<void> {
  for (const { id } of cluster.plans) assert(!(cluster.running.get(id)?.isOver ?? true), `${id} lives`);
  const client = await cluster.client("n2");
  try {
    assertEquals(await client.within(5000, client.send("SET", "alive", value)), "OK");
    assertEquals(await client.within(5000, client.send("GET", "alive")), value);
  } finally {
    client.close();
  }
}

interface Case {
  readonly name: string;
  readonly args: readonly string[];
  readonly code: number;
  readonly text: RegExp;
}

const commandLines: readonly Case[] = [
  { name: "unknown command", args: ["sevre"], code: 64, text: /unknown command sevre, did you mean serve\?/ },
  {
    name: "unknown flag",
    args: ["serve", "--dta", "x"],
    code: 64,
    text: /unknown option --dta.*did you mean --data/,
  },
  { name: "flag without value", args: ["serve", "--data"], code: 64, text: /--data lacks its value/ },
  { name: "flag twice", args: ["serve", "--id", "a", "--id", "b"], code: 64, text: /--id is given 2 times/ },
  { name: "word too many", args: ["serve", "here"], code: 64, text: /takes no word here/ },
  { name: "no port", args: ["serve", "--client", "localhost"], code: 64, text: /must be HOST:PORT/ },
  { name: "port out of range", args: ["serve", "--client", "h:70000"], code: 64, text: /must be HOST:PORT/ },
  { name: "bad id", args: ["serve", "--id", "a b"], code: 64, text: /--id is a b/ },
  { name: "bad number", args: ["serve", "--heartbeat-ms", "1e3"], code: 64, text: /whole number/ },
  { name: "bad member", args: ["serve", "--cluster", "n1"], code: 64, text: /ID=HOST:PORT/ },
  {
    name: "not a member",
    args: ["serve", "--id", "n9", "--cluster", "n1=127.0.0.1:1"],
    code: 78,
    text: /does not name --id n9/,
  },
  {
    name: "member twice",
    args: ["serve", "--id", "n1", "--cluster", "n1=127.0.0.1:1,n1=127.0.0.1:2"],
    code: 78,
    text: /names n1 twice/,
  },
  {
    name: "one address twice",
    args: ["serve", "--id", "n1", "--cluster", "n1=127.0.0.1:1,n2=127.0.0.1:1"],
    code: 78,
    text: /same address/,
  },
  {
    name: "peer port against the cluster",
    args: ["serve", "--id", "n1", "--peer", "127.0.0.1:9", "--cluster", "n1=127.0.0.1:1"],
    code: 78,
    text: /--peer is 127.0.0.1:9, but --cluster/,
  },
  {
    name: "heartbeat above the election timeout",
    args: ["serve", "--heartbeat-ms", "5000"],
    code: 78,
    text: /heartbeat/,
  },
  {
    name: "profile and timeouts",
    args: ["serve", "--profile", "lan", "--heartbeat-ms", "10"],
    code: 78,
    text: /--profile and --heartbeat-ms/,
  },
  {
    name: "client and peer on one port",
    args: ["serve", "--client", "127.0.0.1:7", "--peer", "127.0.0.1:7"],
    code: 78,
    text: /both 127.0.0.1:7/,
  },
  { name: "nobody there", args: ["status", "--connect", "127.0.0.1:1"], code: 69, text: /127.0.0.1:1/ },
];

for (const { name, args, code, text } of commandLines) {
  Deno.test(`command line: ${name} is refused with exit code ${code}`, async () => {
    assertRefused(await run(program, args), code, text);
  });
}

Deno.test("help and version are there for every command", async () => {
  for (
    const args of [["--help"], ["--version"], ["serve", "--help"], ["demo", "--help"], ["cli", "--help"]]
  ) {
    const { code, stdout, stderr } = await run(program, args);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /raftline/);
  }
  for (const command of ["status", "bench"]) assertEquals((await run(program, [command, "--help"])).code, 0);
  for (const args of [["cli", "--connect", "h:1", "--help"], ["cli", "-h", "GET"], ["help", "cli"]]) {
    const { code, stdout } = await run(program, args);
    assertEquals([code, stdout.split(":")[0]], [0, "raftline cli"]);
  }
});

Deno.test("a data directory that cannot be one is refused", () =>
  inDirectory(async (directory) => {
    const [client = 0] = await freePorts(1);
    const serve = (data: string) =>
      run(program, ["serve", "--data", data, "--client", `127.0.0.1:${client}`]);
    await writeFile(join(directory, "file"), "mine");
    assertRefused(await serve(join(directory, "file")), 74, /data directory .*file/);
    assertRefused(await serve(join(directory, "file", "below")), 74, /data directory/);
    assertEquals(await readFile(join(directory, "file"), "utf8"), "mine");
    if (process.getuid?.() === 0) return;
    await chmod(directory, 0o500);
    assertRefused(await serve(join(directory, "none")), 77, /data directory/);
    await chmod(directory, 0o700);
  }));

Deno.test("a port in use, a directory in use and a directory of somebody else are refused", () =>
  inDirectory(async (directory) => {
    const [client = 0, peer = 0, taken = 0, other = 0, third = 0] = await freePorts(5);
    const data = join(directory, "data");
    const at = (clientPort: number, peerPort: number) => [
      "--client",
      `127.0.0.1:${clientPort}`,
      "--peer",
      `127.0.0.1:${peerPort}`,
    ];
    const server = new Running(program, ["serve", "--data", data, ...at(client, peer)]);
    const squatter = createServer();
    try {
      await server.said(/listening for clients/, 10_000);
      const second = ["serve", "--data", data, ...at(other, third)];
      assertRefused(await run(program, second), 73, /in use by another process/);
      await new Promise<void>((resolve) => squatter.listen(taken, "127.0.0.1", resolve));
      const fresh = (name: string) => ["serve", "--data", join(directory, name)];
      assertRefused(
        await run(program, [...fresh("b"), ...at(taken, other)]),
        78,
        new RegExp(`${taken}.*in use`),
      );
      assertRefused(
        await run(program, [...fresh("c"), ...at(other, taken)]),
        78,
        new RegExp(`${taken}.*in use`),
      );
      server.signal("SIGTERM");
      assertEquals((await server.ended).code, 0);
      assertRefused(
        await run(program, ["serve", "--id", "n2", "--data", data, ...at(other, third)]),
        69,
        /belongs to server n1/,
      );
    } finally {
      squatter.close();
      await server.kill();
    }
  }));

Deno.test("a damaged log is refused with file and offset, and nothing is changed", () =>
  inDirectory(async (directory) => {
    const [client = 0, peer = 0] = await freePorts(2);
    const data = join(directory, "data");
    const args = ["serve", "--data", data, "--client", `127.0.0.1:${client}`, "--peer", `127.0.0.1:${peer}`];
    const server = new Running(program, args);
    await server.said(/listening for clients/, 10_000);
    const writer = await TestClient.connect(client);
    for (let i = 0; i < 20; i++) {
      const answer = await writer.within(10_000, writer.send("SET", `k${i}`, "x".repeat(300)));
      if (answer !== "OK") await new Promise((resolve) => setTimeout(resolve, 200));
    }
    writer.close();
    await server.kill();
    const segment = join(data, "log", "0000000000000001.log");
    const { readdir } = await import("node:fs/promises");
    const [name = ""] = (await readdir(join(data, "log"))).filter((file) => !file.endsWith(".tmp")).sort();
    const path = name === "" ? segment : join(data, "log", name);
    const bytes = await readFile(path);
    bytes[4096 + 200] = (bytes[4096 + 200] ?? 0) ^ 1;
    await writeFile(path, bytes);
    assertRefused(await run(program, args), 65, /damaged data in .* at offset \d+/);
    assertEquals(Buffer.compare(await readFile(path), bytes), 0);
  }));

Deno.test("nonsense on the client port gets an error and harms nobody", () =>
  onCluster(three, async (cluster) => {
    const port = cluster.plan("n1").clientPort;
    const random = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 7919 + (i >> 3) * 31) & 255);
    const cases: readonly (readonly [string, readonly (Uint8Array | string)[], RegExp])[] = [
      ["an endless line", [new Uint8Array(200_000).fill(97)], /^-ERR .*65536/],
      ["a RESP bomb", ["*1000000000\r\n"], /^-ERR Protocol error: .*\d+/],
      ["a bulk bomb", ["*1\r\n$2000000000\r\n"], /^-ERR Protocol error: .*\d+/],
      ["a negative count", ["*-7\r\nPING\r\n"], /^/],
      ["a count that is none", ["*x\r\n"], /^-ERR Protocol error/],
      ["a bulk without $", ["*1\r\nPING\r\n"], /^-ERR Protocol error/],
      ["unbalanced quotes", ['SET "a b\r\n'], /^-ERR Protocol error: unbalanced quotes/],
      ["HTTP", ["GET / HTTP/1.1\r\nHost: localhost:7001\r\nAccept: */*\r\n\r\n"], /^-ERR/],
      ["TLS", [Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3), new Uint8Array(600), "\r\n"], /^-ERR/],
      ["binary garbage", [random, "\r\n"], /^-ERR/],
    ];
    for (const [name, chunks, expected] of cases) {
      const heard = await exchange(port, chunks, 1500);
      assertMatch(heard, expected, name);
      assert(!heard.includes("    at "), name);
    }
    await assertGoesOn(cluster, "after nonsense");
  }));

Deno.test("an endless line costs the server no more memory than its limit", () =>
  onCluster(three, async (cluster) => {
    const { clientPort } = cluster.plan("n1");
    const memory = async () => {
      const client = await cluster.client("n1");
      try {
        const info = await client.text("INFO", "memory");
        return Number(/used_memory_rss:(\d+)/.exec(info)?.[1] ?? NaN);
      } finally {
        client.close();
      }
    };
    const before = await memory();
    const megabyte = new Uint8Array(1_000_000).fill(97);
    // A garbage collector takes its time: the bound is half of what is sent.
    for (let i = 0; i < 12; i++) await exchange(clientPort, Array.from({ length: 20 }, () => megabyte), 2000);
    assertLess(await memory() - before, 120_000_000);
    await assertGoesOn(cluster, "after lines");
  }));

Deno.test("garbage and lengths too large on the peer port close that connection alone", () =>
  onCluster(three, async (cluster) => {
    const { peerPort } = cluster.plan("n1");
    const huge = new Uint8Array(12).fill(255);
    const small = Uint8Array.of(0, 0, 0, 5, 1, 2, 3, 4, 1, 2, 3, 4, 5);
    const cases: readonly (readonly [string, readonly (Uint8Array | string)[]])[] = [
      ["an oversized length", [huge]],
      ["a wrong checksum", [small]],
      ["HTTP", ["GET / HTTP/1.1\r\nHost: x\r\n\r\n"]],
      ["nothing at all", []],
    ];
    for (const [name, chunks] of cases) {
      const startedAt = performance.now();
      await exchange(peerPort, chunks, 8000);
      assertLess(performance.now() - startedAt, 7000, `${name} is cut off`);
    }
    assertMatch(cluster.running.get("n1")?.stderr ?? "", /warn refused a peer connection/);
    await assertGoesOn(cluster, "after garbage");
  }));
