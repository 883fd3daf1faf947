/**
 * Ends a process when its parent does, also when the parent was killed: the parent holds the other end of standard input.
 *
 * @module
 */
import process from "node:process";

/** Calls back once, when standard input ends. */
export function whenParentEnds(callback: () => void): void {
  let called = false;
  const once = () => {
    if (called) return;
    called = true;
    callback();
  };
  process.stdin.on("end", once);
  process.stdin.on("close", once);
  process.stdin.on("error", once);
  process.stdin.resume();
}
