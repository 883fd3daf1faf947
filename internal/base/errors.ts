/**
 * The few errors that a caller is meant to tell apart, and the exit codes they lead to.
 *
 * Every refusal is one line: what failed, where (file, offset, index, term), what is still safe, what to do.
 *
 * @module
 */

/** Exit codes of the process, from sysexits(3) where one fits. */
export const ExitCode = {
  /** A check was ended before it had a verdict: neither good nor bad. */
  verdictUnknown: 2,
  usage: 64,
  damagedData: 65,
  identityMismatch: 69,
  /** Nobody answers there (EX_UNAVAILABLE). */
  unavailable: 69,
  brokenInvariant: 70,
  dataDirectoryLocked: 73,
  diskIo: 74,
  noSpace: 75,
  permission: 77,
  configuration: 78,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A reason to stop the process: its message is the one line an operator reads, its code what a script reads. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  constructor(readonly exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** How a format version is told that is not this program's. */
const OTHER_VERSION = /^the (?:format version|identity's format) is /;

/** Why there is no telling what was written: it is something else now, or the disk does not read it (EIO). */
export type Damaged = "rotten" | "unreadable";

/**
 * The log or the identity on disk is not what was written, cannot be read there, or is of another version of this program. The server does
 * not start on it.
 */
export class CorruptLogError extends Refusal {
  readonly damaged: Damaged;

  constructor(
    readonly file: string,
    readonly offset: number,
    readonly found: string,
    { damaged = "rotten", ...options }: ErrorOptions & { readonly damaged?: Damaged } = {},
  ) {
    super(
      damaged === "unreadable" ? ExitCode.diskIo : ExitCode.damagedData,
      OTHER_VERSION.test(found)
        ? `${file} is of another version of raftline: ${found}; nothing was changed on disk; ` +
          `start the version that wrote it, or a newer one`
        : `${
          damaged === "unreadable" ? "cannot read" : "damaged data in"
        } ${file} at offset ${offset}: ${found}; nothing was changed on disk; ` +
          `restore this file from a copy, or remove this server and let it join again empty under a new id`,
      options,
    );
    this.damaged = damaged;
  }
}

/** The message of anything that was thrown, with the causes behind it, on one line. A refusal says all by itself. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && parts.length < 8;) {
    parts.push(at instanceof Error ? at.message : String(at));
    at = at instanceof Error && !(at instanceof Refusal) ? at.cause : undefined;
  }
  return parts.join(": ").replaceAll(/[\r\n]+/g, " ");
}
