/**
 * Kind: integration (real processes, through a shell).
 *
 * Invariant: what `cli` writes is what the server sent, whole and byte for byte, however slow its reader is; a connection that is lost, a server
 * that hangs and an output that cannot be written are each one line with the right exit code, and never a stack trace.
 *
 * Learnt: a process that ends takes along what a slow reader did not read yet; a promise that fails while the next line of a pipe is waited
 * for ends both runtimes with a stack; a stopped process still takes connections.
 */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  compiled,
  type Ended,
  freePorts,
  fromSource,
  missingBinary,
  type Program,
  run,
  Running,
} from "./harness.ts";

const programs: readonly Program[] = missingBinary() === null ? [compiled, fromSource] : [fromSource];

/** Runs a shell line in which `raftline` stands for the program. */
function shell(program: Program, line: string): Promise<Ended> {
  const words = [program.command, ...program.args].map((word) => `'${word}'`).join(" ");
  return run({ name: "sh", command: "sh", args: ["-c"] }, [`raftline() { ${words} "$@"; }; ${line}`]);
}

interface Served {
  readonly server: Running;
  readonly connect: string;
  readonly data: string;
  readonly peer: string;
}

async function onServer(program: Program, body: (served: Served) => Promise<void>): Promise<void> {
  const [client = 0, peer = 0] = await freePorts(2);
  const data = await mkdtemp(join(tmpdir(), "raftline-test-"));
  const [clientAddress, peerAddress] = [`127.0.0.1:${client}`, `127.0.0.1:${peer}`];
  const server = new Running(program, [
    "serve",
    ...["--data", data, "--client", clientAddress, "--peer", peerAddress, "--profile", "lan"],
  ]);
  try {
    await server.said(/became leader/, 10_000);
    await body({ server, connect: `--connect ${clientAddress}`, data, peer: peerAddress });
  } finally {
    server.signal("SIGCONT");
    await server.kill();
    await rm(data, { recursive: true, force: true });
  }
}

/** One line of refusal, no stack, that exit code. */
function assertRefused({ code, stderr }: Ended, expected: number, text: RegExp): void {
  assertEquals(code, expected, stderr);
  assertMatch(stderr, text);
  assertEquals(stderr.trim().split("\n").length, 1, stderr);
}

for (const program of programs) {
  Deno.test(`cli, ${program.name}: a pipe gives the answers in order and byte for byte, to a slow reader too`, () =>
    onServer(program, async ({ connect }) => {
      const inOrder = await shell(
        program,
        `printf 'SET a 1\\n\\n  \\nINCR a\\r\\nECHO "\\\\xff\\\\x00"\\nNOPE\\nGET a' | raftline cli ${connect} | od -An -c`,
      );
      const shown = inOrder.stdout.replaceAll(/\s+/g, " ");
      assertMatch(shown, /^ O K \\n 2 \\n 377 \\0 \\n E R R u n k n o w n .* \\n 2 \\n $/);
      const long = await shell(
        program,
        `for i in 1 2 3 4 5 6; do echo APPEND long $(head -c 60000 /dev/zero | tr '\\0' x); done | ` +
          `raftline cli ${connect} > /dev/null; ` +
          `raftline cli ${connect} MGET long long long long long long long long | (sleep 1; wc -c)`,
      );
      assertEquals(long.stdout.trim(), String(8 * 360_001));
    }));

  Deno.test(`cli, ${program.name}: a server that closes is told of in one line, also while the input goes on`, () =>
    onServer(program, async ({ connect }) => {
      const cut = await shell(
        program,
        `{ printf '"x\\n'; sleep 1; echo GET a; sleep 1; } | raftline cli ${connect}`,
      );
      assertRefused(
        cut,
        69,
        /^raftline: no answer from .*: it closed the connection; the rest of the input was not sent/,
      );
      const lost = await shell(program, `printf 'GET a\\n"x\\nGET a\\nGET a\\n' | raftline cli ${connect}`);
      assertRefused(lost, 69, /whether the last 2 commands took effect is not known/);
      assertMatch(lost.stdout, /^\nERR Protocol error: unbalanced quotes/);
      const left = await shell(program, `printf 'PING\\nQUIT\\nGET a\\n' | raftline cli ${connect}`);
      assertEquals([left.code, left.stdout, left.stderr], [0, "PONG\n", ""]);
    }));

  Deno.test(`cli, ${program.name}: an output that cannot be written is an error, a reader that leaves is none`, () =>
    onServer(program, async ({ connect }) => {
      assertRefused(await shell(program, `raftline cli ${connect} PING > /dev/full`), 74, /cannot write/);
      assertRefused(
        await shell(program, `echo PING | raftline cli ${connect} > /dev/full`),
        74,
        /cannot write/,
      );
      const left = await shell(
        program,
        `{ yes PING | head -20000 | raftline cli ${connect}; echo "ended with $?" >&2; } | head -1`,
      );
      assertEquals([left.stdout, left.stderr], ["PONG\n", "ended with 0\n"]);
    }));

  Deno.test(`${program.name}: a server that hangs, a peer port and another protocol are no servers`, () =>
    onServer(program, async ({ server, connect, peer }) => {
      const other = createServer((socket) => {
        socket.on("error", () => {});
        socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
      });
      await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", () => resolve()));
      const address = other.address();
      assert(address !== null && typeof address !== "string");
      try {
        for (const command of ["status", "cli GET a", "bench --seconds 1", "bench --to-leader"]) {
          const refused = (where: string) =>
            shell(program, `raftline ${command.replace(/^\w+/, `$& ${where}`)}`);
          assertRefused(await refused(`--connect ${peer}`), 69, /^raftline: no answer from 127/);
          assertRefused(
            await refused(`--connect 127.0.0.1:${address.port}`),
            69,
            /it does not speak the Redis protocol/,
          );
        }
        server.signal("SIGSTOP");
        const startedAt = performance.now();
        assertRefused(await shell(program, `raftline status ${connect}`), 69, /not within 2000 ms/);
        assertLess(performance.now() - startedAt, 10_000);
      } finally {
        other.close();
      }
    }));
}

Deno.test({
  name: "the binary needs nothing but itself, and takes nothing from the directory it is run in",
  ignore: missingBinary() !== null,
  fn: async () => {
    const directory = await mkdtemp(join(tmpdir(), "raftline-test-"));
    const planted = 'console.log("planted"); process.exit(7);\n';
    const files: Readonly<Record<string, string>> = {
      "planted.ts": planted,
      "bunfig.toml": 'preload = ["./planted.ts"]\n',
      ".env": "RAFTLINE_DEBUG=1\n",
      "package.json": '{ "name": "planted", "imports": { "#x": "./planted.ts" } }\n',
      "tsconfig.json": '{ "compilerOptions": { "paths": { "*": ["./planted.ts"] } } }\n',
    };
    try {
      for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
      const [free = 0] = await freePorts(1);
      const alone = (words: string) =>
        shell(compiled, `cd '${directory}'; env -i '${compiled.command}' ${words}`);
      const version = await alone("--version");
      assertEquals([version.code, version.stderr], [0, ""]);
      assertMatch(version.stdout, /^raftline \d+\.\d+\.\d+ \(bun .*\)\n$/);
      assertRefused(await alone(`cli --connect 127.0.0.1:${free} GET a`), 69, /^raftline: no answer from/);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
});
