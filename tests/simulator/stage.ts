/**
 * What strikes can do to the world as a whole.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import type { Server } from "./server.ts";

export interface Stage {
  /** Those that take part, or did. */
  readonly servers: readonly Server[];
  /** Whether a server can lose its disk for good without taking more with it than its cluster can do without. */
  mayLose(server: Server): boolean;
  /** Whether disks decay. */
  readonly decays: boolean;
  /** Whether something on the disk of a server can be lost: the others have, each undamaged, all that is committed. */
  mayDecay(server: Server): boolean;
  /** The names of the clients, as the network knows them. */
  readonly clients: readonly string[];
  /** Does something after a while, unless the faults are over by then. */
  later(afterMs: number, act: () => void): void;
  /** Cuts directed links, and mends them after a while. */
  cutFor(links: readonly (readonly [from: string, to: string])[], forMs: number): void;
  /** A client goes away, whatever it waits for; gives its name, or `null` where it was not connected. */
  dropClient(random: Random): string | null;
}
