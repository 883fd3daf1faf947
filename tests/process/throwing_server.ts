/**
 * The program as it is, which besides throws where nobody catches it: SIGUSR2 an exception, SIGWINCH a rejected promise.
 *
 * @module
 */
import process from "node:process";

process.on("SIGUSR2", () => {
  setTimeout(() => {
    throw new Error("thrown by a test");
  }, 0);
});
process.on("SIGWINCH", () => {
  void Promise.reject(new Error("thrown by a test"));
});

await import("../../main.ts");
