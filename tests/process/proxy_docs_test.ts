/**
 * Kind: integration (a page of the documentation).
 *
 * Invariant: docs/proxy.md is true: its lines for netcat do what they say, every line that it shows is understood, and it leaves no command out.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { missingProgram } from "./harness.ts";
import { PlainTarget } from "./plain_sockets.ts";
import { Control } from "./proxy/control.ts";
import { commandHelp, runLine } from "./proxy/control_commands.ts";
import { Proxy } from "./proxy/proxy.ts";

const LOCAL = "127.0.0.1";
const text = readFileSync(new URL("../../docs/proxy.md", import.meta.url), "utf8");
const skipped = missingProgram("nc");
if (skipped !== null) console.log(`skipped: the lines for netcat: ${skipped}`);

/** The lines of all blocks of that kind. */
function linesOf(kind: string): readonly string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\``, "gms"))]
    .flatMap(([, block]) => (block ?? "").trimEnd().split("\n"));
}

async function onProxy(names: readonly string[], body: (proxy: Proxy) => Promise<void>): Promise<void> {
  const target = await PlainTarget.open();
  const proxy = new Proxy("docs");
  try {
    for (const name of names) {
      await proxy.open({
        name,
        listen: { host: LOCAL, port: 0 },
        target: { host: LOCAL, port: target.port },
      });
    }
    await body(proxy);
  } finally {
    await proxy.close();
    await target.close();
  }
}

function shell(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", line], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (chunk) => said += String(chunk));
    child.once("error", reject);
    child.once("close", () => resolve(said));
  });
}

Deno.test({
  name: "docs/proxy.md: its lines for netcat work as they stand",
  ignore: skipped !== null,
  fn: () =>
    onProxy(["n1"], async (proxy) => {
      const control = await Control.open(proxy, { host: LOCAL, port: 0 });
      try {
        const lines = linesOf("sh").filter((line) => line.includes("| nc"));
        const heard: string[] = [];
        for (const line of lines) {
          assert(line.endsWith(" 127.0.0.1 7300"), line);
          heard.push(await shell(line.replace(/7300$/, String(control.address.port))));
        }
        assertEquals(heard.length, 2);
        assertMatch(
          heard[0] ?? "",
          /^ok n1\nn1 .*\n.*latency=100ms\+20ms\n.*latency=100ms\+20ms\nok 1 links, seed docs\n$/,
        );
        assertEquals(heard[1], "ok n1\nok n1\nok 300 ms\nok n1\nok bye\n");
      } finally {
        await control.close();
      }
    }),
});

Deno.test("docs/proxy.md: every line that it shows is understood, and no command is left out", () =>
  onProxy(["n1-n2", "n2-n1"], async (proxy) => {
    const lines = linesOf("proxy");
    for (const line of lines) await runLine(proxy, line.replace(/^wait \d+/, "wait 1"));
    assert(lines.length > 10);
    const commands = commandHelp().map((line) => line.split(" ")[0] ?? "");
    assertEquals(commands.filter((name) => !new RegExp(`(?:^|\`)${name}\\b`, "m").test(text)), []);
  }));
