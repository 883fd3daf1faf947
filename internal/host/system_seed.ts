/**
 * A seed that nobody can guess, for a process's random streams.
 *
 * @module
 */

/** 32 hexadecimal digits from the system's generator. */
export function systemSeed(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
