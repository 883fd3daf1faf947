/**
 * `deno task build`: one self-contained executable, by `bun build --compile`.
 *
 * `--target bun-linux-arm64` and the like build for another machine; the first such build fetches that runtime.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import process from "node:process";

const BUN = "bun@1.4.5";
const root = new URL("..", import.meta.url).pathname;

function run(command: string, args: readonly string[]): number | null {
  return spawnSync(command, args, { cwd: root, stdio: "inherit" }).status;
}

/** Bun on the path if there, else through npx. */
function bun(): readonly [command: string, ...args: string[]] {
  const found = spawnSync("bun", ["--version"], { encoding: "utf8" });
  return found.status === 0 ? ["bun"] : ["npx", "-y", BUN];
}

/** What Bun would read from the directory in which the executable is run: settings, and code that they name. Ours reads nothing. */
const AUTOLOADED = ["dotenv", "bunfig", "tsconfig", "package-json"];

function main(args: readonly string[]): number {
  const [flag, target, ...rest] = args;
  if (args.length > 0 && (flag !== "--target" || target === undefined || rest.length > 0)) {
    console.error("usage: deno task build [--target bun-linux-x64|bun-linux-arm64|bun-darwin-arm64|...]");
    return 64;
  }
  if (!existsSync(`${root}/node_modules/hash-wasm`)) {
    console.error("build: the packages are not installed: run deno install first");
    return 1;
  }
  mkdirSync(`${root}/dist`, { recursive: true });
  const outfile = target === undefined ? "dist/raftline" : `dist/raftline-${target.replace(/^bun-/, "")}`;
  const [command, ...before] = bun();
  const targetArgs = target === undefined ? [] : [`--target=${target}`];
  const built = run(command, [
    ...before,
    "build",
    "--compile",
    "--minify",
    "--bytecode",
    ...AUTOLOADED.map((kind) => `--no-compile-autoload-${kind}`),
    ...targetArgs,
    "main.ts",
    "--outfile",
    outfile,
  ]);
  if (built !== 0) {
    console.error(`build: ${command} ended with ${built}`);
    return 1;
  }
  console.log(`${outfile}: ${(statSync(`${root}/${outfile}`).size / 1e6).toFixed(1)} MB`);
  return 0;
}

process.exit(main(process.argv.slice(2)));
