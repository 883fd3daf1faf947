/**
 * What the leader writes into the configuration about members that told it: which birth they are of, and where they are now.
 *
 * Keeps true: the configuration knows of each member the birth that it showed first, so that one that comes back on an empty disk is
 * recognised (M11); addresses follow the servers, identities do not (features: whole clusters that restart elsewhere). One change at
 * a time, never in the way of an operator's.
 *
 * @module
 */
import type { Clock, Millis } from "../platform/clock.ts";
import type { Input, RequestId } from "../raft/input.ts";
import type { Raft } from "../raft/raft.ts";
import type { Member, ServerId } from "../raft/types.ts";

/** A wish that was refused is tried again after this. */
const RETRY_MS = 1000;

export interface RosterOptions {
  readonly clock: Clock;
  readonly raft: Raft;
  readonly deliver: (input: Input) => void;
  readonly nextRequestId: () => RequestId;
}

interface Introduced {
  readonly incarnation: string;
  readonly peerAddress: string;
}

export class Roster {
  readonly #options: RosterOptions;
  readonly #known = new Map<ServerId, Introduced>();
  readonly #asked = new Set<RequestId>();
  #retryAt: Millis = -Infinity;
  /** Our own id and address; read anew each time. */
  readonly #own: Introduced;
  /** There was nothing to write down, and nothing was heard since: the end of a turn need not look again. */
  #isQuiet = false;

  /** `own` is read anew each time: where this server listens is known late. */
  constructor(options: RosterOptions, id: ServerId, own: Introduced) {
    this.#options = options;
    this.#own = own;
    this.#known.set(id, own);
  }

  introduced(id: ServerId, incarnation: string, peerAddress: string): void {
    this.#known.set(id, { incarnation, peerAddress });
    this.#isQuiet = false;
  }

  /** The configuration, or who leads, is another one than before. */
  changed(): void {
    this.#isQuiet = false;
  }

  /** Writes down what is not written down yet, if this server leads and nothing else is being changed. */
  tend(): void {
    if (this.#isQuiet) return;
    const { clock, raft, deliver, nextRequestId } = this.#options;
    const view = raft.view();
    if (view.role !== "leader" || view.isTransferring || clock.now() < this.#retryAt) return;
    const { configuration, configurationIndex, commitIndex, currentTerm } = view;
    if (configurationIndex > commitIndex || configuration.outgoing.length > 0) return;
    // Asked for any earlier it would only be refused, and tried again much later.
    if (raft.log.termAt(commitIndex) !== currentTerm) return;
    // All at once: as long as a birth is not written down, nobody can tell who comes back without its data.
    const news = this.#allNews(configuration.members);
    if (news.length === 0) {
      // Where we listen is known late.
      this.#isQuiet = this.#own.peerAddress !== "";
      return;
    }
    this.#retryAt = clock.now() + RETRY_MS;
    const requestId = nextRequestId();
    this.#asked.add(requestId);
    deliver({
      kind: "changeConfiguration",
      requestId,
      change: { kind: "update", members: news },
      ifIndex: null,
    });
  }

  /** Whether there is something to write down. */
  get isBusy(): boolean {
    const { role, configuration } = this.#options.raft.view();
    return role === "leader" && this.#allNews(configuration.members).length > 0;
  }

  /** The core answered a wish of ours. Tells whether it was one. */
  answered(requestId: RequestId): boolean {
    return this.#asked.delete(requestId);
  }

  /** All that can be written down together: what claims another's address waits. */
  #allNews(members: readonly Member[]): readonly Member[] {
    const news = members.flatMap((member) => this.#news(member) ?? []);
    const later = members.map((member) => news.find(({ id }) => id === member.id) ?? member);
    return news.filter(({ id, address }) =>
      address === "" || !later.some((other) => other.id !== id && other.address === address)
    );
  }

  /** The member as it should stand in the configuration; `null` if it does. */
  #news(member: Member): Member | null {
    const known = this.#known.get(member.id);
    if (known === undefined) return null;
    // Who shows another birth than is known is not let in; what it says counts for nothing.
    if (member.incarnation !== "" && member.incarnation !== known.incarnation) return null;
    const address = known.peerAddress === "" ? member.address : known.peerAddress;
    if (member.incarnation === known.incarnation && member.address === address) return null;
    return { ...member, incarnation: known.incarnation, address };
  }
}
