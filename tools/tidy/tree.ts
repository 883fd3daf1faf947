/**
 * The project's text files, as they lie on the disk.
 *
 * Keeps true: nothing is written; what .gitignore names is not the project's, nor is .git, nor a file that is no text; the
 * order is that of the paths, so two runs print the same. Of .gitignore only what this project uses is understood: names
 * and `*`, at any depth, with or without a slash at the end.
 *
 * @module
 */
import { type Dirent, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TextFile } from "./source.ts";

/** Whether .gitignore's text names a file or directory of that name. */
export function ignoredBy(gitignore: string): (name: string) => boolean {
  const patterns = gitignore.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.replace(/^\/|\/$/gu, "").split("*").map(RegExp.escape).join("[^/]*"))
    .map((pattern) => new RegExp(`^${pattern}$`, "u"));
  return (name) => name === ".git" || patterns.some((pattern) => pattern.test(name));
}

function byName(a: Dirent, b: Dirent): number {
  return a.name < b.name ? -1 : 1;
}

/** Every text file under the directory. */
export function readTree(root: string): readonly TextFile[] {
  const gitignore = join(root, ".gitignore");
  const isIgnored = ignoredBy(existsSync(gitignore) ? readFileSync(gitignore, "utf8") : "");
  const files: TextFile[] = [];
  const walk = (directory: string): void => {
    const entries = readdirSync(join(root, directory), { withFileTypes: true });
    for (const entry of entries.sort(byName)) {
      const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
      if (isIgnored(entry.name)) continue;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) {
        const text = readFileSync(join(root, path), "utf8");
        if (!text.includes("\0")) files.push({ path, text });
      }
    }
  };
  walk("");
  return files;
}
