/**
 * Logs that were lost: what servers had on their disks before a part of it was damaged, and for how long others may count on it (docs/repair.md).
 *
 * A leader that was told of an entry before the loss may count that, until it hears of the loss: then it takes everything back. So the
 * properties of disks hold for what is on them, or, for such a leader, for what was. Where a leader has heard of the loss it says so in each
 * AppendEntries to that server.
 *
 * @module
 */
import type { LogIndex, ServerId, Term } from "../../internal/raft/types.ts";
import type { Observation, PrefixHash, Property } from "./ghost.ts";

interface LostLog {
  /** The hashes of what it had on its disk. */
  readonly prefix: readonly PrefixHash[];
  /** Which epoch begins with the loss; `null` until the server is back, since nobody can have heard of it. */
  epoch: number | null;
}

interface Heard {
  readonly term: Term;
  readonly epoch: number;
}

export class LostLogs implements Property {
  readonly name = "lost logs";
  readonly #lost = new Map<ServerId, LostLog[]>();
  /** Of what losses each leader heard, by leader and follower. */
  readonly #heard = new Map<ServerId, Map<ServerId, Heard>>();

  /** The disk of a server is about to lose something: until it is back, nobody can know. */
  struck(server: ServerId, prefix: readonly PrefixHash[]): void {
    const lost = this.#lost.get(server) ?? [];
    this.#lost.set(server, lost);
    lost.push({ prefix, epoch: null });
  }

  /** It is back: in that epoch, or having lost nothing. */
  isBack(server: ServerId, epoch: number | null): void {
    const lost = this.#lost.get(server) ?? [];
    if (epoch === null) this.#lost.set(server, lost.filter((one) => one.epoch !== null));
    else for (const one of lost) one.epoch ??= epoch;
  }

  check({ server, is, effects }: Observation): void {
    if (this.#lost.size === 0 || is.role !== "leader") return;
    for (const effect of effects) {
      if (effect.kind !== "send" || effect.message.kind !== "appendEntriesRequest") continue;
      const { term, epoch } = effect.message;
      if (epoch === 0) continue;
      const heard = this.#heard.get(server) ?? new Map<ServerId, Heard>();
      this.#heard.set(server, heard);
      heard.set(effect.to, { term, epoch });
    }
  }

  /** Whether a leader may still take a server for having that, which it lost. */
  mayCount(
    leader: ServerId,
    term: Term,
    server: ServerId,
    index: LogIndex,
    hash: PrefixHash | undefined,
  ): boolean {
    const lost = this.#lost.get(server);
    if (lost === undefined || hash === undefined) return false;
    const heard = this.#heard.get(leader)?.get(server);
    const known = heard?.term === term ? heard.epoch : 0;
    return lost.some(({ prefix, epoch }) => prefix[index] === hash && (epoch === null || epoch > known));
  }
}
