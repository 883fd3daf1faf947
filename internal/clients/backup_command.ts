/**
 * `RAFT BACKUP [STALE]` and `RAFT BACKUP PIECE INDEX TERM BYTES CHECKSUM OFFSET LENGTH`.
 *
 * The first makes a snapshot and answers with its name, four numbers; the second gives bytes of it. Whoever wants a backup asks for one
 * piece after another, as fast as it can take them, and checks the whole (storage/snapshot_file.ts says how).
 *
 * @module
 */
import { errorReply } from "../codec/reply.ts";
import type { CommandContext, Plan } from "./command_spec.ts";

/** The longest piece that may be asked for. */
const PIECE_BYTES_MAX = 1024 * 1024;
const CHECKSUMS = 2 ** 32;

/** The words are those behind BACKUP. */
export function backupCommand(words: readonly string[], { backups }: CommandContext): Plan {
  const [sub = "", ...rest] = words;
  const isStale = sub.toUpperCase() === "STALE";
  if (words.length === 0 || (isStale && rest.length === 0)) {
    return { kind: "ask", ask: (answer) => backups.prepareBackup(isStale, answer) };
  }
  const numbers = rest.map((word) => /^\d{1,15}$/.test(word) ? Number(word) : -1);
  const [index = 0, term = 0, bytes = 0, checksum = 0, offset = 0, length = 0] = numbers;
  const isSound = numbers.length === 6 && !numbers.includes(-1) && index > 0 && term > 0 &&
    checksum < CHECKSUMS && length > 0 && length <= PIECE_BYTES_MAX && offset + length <= bytes;
  if (sub.toUpperCase() !== "PIECE" || !isSound) {
    const text = `ERR BACKUP takes nothing, STALE, or PIECE INDEX TERM BYTES CHECKSUM OFFSET LENGTH ` +
      `of at most ${PIECE_BYTES_MAX} bytes`;
    return { kind: "answer", reply: errorReply(text) };
  }
  const name = { index, term, bytes, checksum };
  return { kind: "ask", ask: (answer) => backups.readBackup(name, offset, length, answer) };
}
