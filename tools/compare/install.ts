/**
 * What the comparison needs of Debian: says what is missing, and installs it if it is told to.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { missingProgram } from "../../tests/process/harness.ts";
import type { Subject } from "./subject.ts";

/** The load itself. */
const TOOLS = [{ name: "redis-benchmark", package: "redis-tools" }];

function missingPackages(subjects: readonly Subject[]): readonly string[] {
  const rivals = subjects.flatMap(({ needs }) =>
    needs === undefined || existsSync(needs.path) ? [] : [needs.package]
  );
  const tools = TOOLS.filter(({ name }) => missingProgram(name) !== null).map((one) => one.package);
  return [...rivals, ...tools];
}

/** Those that can be started here. */
export function present(subjects: readonly Subject[], install: boolean): readonly Subject[] {
  const missing = missingPackages(subjects);
  if (missing.length > 0) {
    // What is delivered with them starts servers of its own, which nobody asked for.
    const command = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
    console.error(`missing: ${missing.join(", ")} (${install ? "installing" : "--install, or"}: ${command})`);
    if (install) {
      spawnSync("apt-get", ["update", "-qq"], { stdio: "inherit" });
      const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
      spawnSync("sh", ["-c", command], { stdio: ["ignore", "ignore", "inherit"], env });
    }
  }
  return subjects.filter(({ name, needs }) => {
    const isThere = needs === undefined || existsSync(needs.path);
    if (!isThere) console.error(`${name} is left out: it is not installed`);
    return isThere;
  });
}
