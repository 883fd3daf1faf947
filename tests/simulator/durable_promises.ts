/**
 * What a server's promises say, as they are durable on its disk; a reader of its own, apart from recovery.
 *
 * @module
 */
import type { LogPosition, Term } from "../../internal/raft/types.ts";
import { BLOCK_BYTES, decodeBlock } from "../../internal/storage/block.ts";
import { DIRECTORY } from "./assemble.ts";
import type { SimDisk } from "./sim_file_system.ts";

export interface DurablePromises {
  readonly sequence: number;
  readonly currentTerm: Term;
  readonly epoch: number;
  readonly floor: LogPosition | null;
  readonly lastBatch: number;
}

/** The newest whole copy; `null` where there is none. */
export function promisesOn(disk: Pick<SimDisk, "durableBytes">): DurablePromises | null {
  const bytes = disk.durableBytes(`${DIRECTORY}/promises`) ?? new Uint8Array(0);
  const copies = [0, 1].map((i) => copyIn(bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES)));
  return copies.reduce((best, copy) => (copy?.sequence ?? 0) > (best?.sequence ?? 0) ? copy : best, null);
}

function copyIn(block: Uint8Array): DurablePromises | null {
  const fields = decodeBlock(block, { letters: "raftpact", versions: [1], what: "a copy of the promises" });
  if (typeof fields === "string") return null;
  const [, , , sequence, currentTerm, , epoch, index, term, lastBatch] = fields.map(Number);
  if (
    sequence === undefined || currentTerm === undefined || epoch === undefined || index === undefined ||
    term === undefined ||
    lastBatch === undefined
  ) return null;
  return { sequence, currentTerm, epoch, floor: term === 0 ? null : { index, term }, lastBatch };
}
