/**
 * Term and vote: the term never falls, and within a term a vote once given stays given (3.3, 3.4; I9), across restarts too;
 * the commit index never falls while a server runs (I13); a leader's `matchIndex` of a follower never falls in its term (I16).
 *
 * Across a restart a server may forget a term or a vote that it never told anybody. What it told is noted when it tells
 * it: `promised` is called with every message that really left.
 *
 * @module
 */
import type { Message } from "../../internal/raft/message.ts";
import type { ServerId, Term } from "../../internal/raft/types.ts";
import { type Observation, type Property, Violation } from "./ghost.ts";

/** How often a leader may lower what it believes of a follower, and how often it did. */
interface Lowered {
  losses: number;
  readonly by: Map<ServerId, number>;
}

interface Told {
  term: Term;
  votes: Map<Term, ServerId>;
}

export class Monotonic implements Property {
  readonly name = "term and vote monotone";
  readonly #told = new Map<ServerId, Told>();
  readonly #lowered = new Map<ServerId, Lowered>();

  check({ server, was, is }: Observation): void {
    const told = this.#told.get(server);
    if (was === null) {
      if (told === undefined) return;
      if (is.currentTerm < told.term) {
        throw new Violation(
          `${server} told others of term ${told.term} and came back in term ${is.currentTerm}`,
        );
      }
      const vote = told.votes.get(is.currentTerm);
      if (vote !== undefined && is.votedFor !== vote) {
        throw new Violation(
          `${server} voted for ${vote} in term ${is.currentTerm} and came back with ${is.votedFor}`,
        );
      }
      return;
    }
    if (is.currentTerm < was.currentTerm) {
      throw new Violation(`${server} went from term ${was.currentTerm} to ${is.currentTerm}`);
    }
    if (is.currentTerm === was.currentTerm && was.votedFor !== null && is.votedFor !== was.votedFor) {
      throw new Violation(`${server} took its vote for ${was.votedFor} back in term ${is.currentTerm}`);
    }
    if (is.currentTerm === was.currentTerm && is.role === "leader" && is.matchIndexes !== was.matchIndexes) {
      for (const [follower, matchIndex] of was.matchIndexes) {
        let now = is.matchIndexes.get(follower);
        if (now === undefined) {
          // Who is no member any more is not followed, and who becomes one again begins anew.
          const isMember = is.configuration.members.some(({ id }) => id === follower);
          now = isMember ? 0 : matchIndex;
        }
        if (now < matchIndex && !this.#mayLower(server, follower)) {
          throw new Violation(`${server} lowers matchIndex of ${follower} from ${matchIndex} to ${now}`);
        }
      }
    }
    if (is.commitIndex < was.commitIndex) {
      throw new Violation(`${server} went from commit index ${was.commitIndex} to ${is.commitIndex}`);
    }
  }

  /** A server lost a part of its log: each leader may take back once what it believed of it. */
  lost(server: ServerId): void {
    const lowered = this.#lowered.get(server) ?? { losses: 0, by: new Map<ServerId, number>() };
    lowered.losses++;
    this.#lowered.set(server, lowered);
  }

  #mayLower(leader: ServerId, follower: ServerId): boolean {
    const lowered = this.#lowered.get(follower);
    if (lowered === undefined) return false;
    const times = (lowered.by.get(leader) ?? 0) + 1;
    lowered.by.set(leader, times);
    return times <= lowered.losses;
  }

  /** A message left this server. */
  promised(server: ServerId, to: ServerId, message: Message): void {
    const told = this.#told.get(server) ?? { term: 0, votes: new Map<Term, ServerId>() };
    this.#told.set(server, told);
    told.term = Math.max(told.term, message.term);
    let vote: ServerId | null = null;
    if (message.kind === "requestVoteRequest") vote = server;
    if (message.kind === "requestVoteResponse" && message.voteGranted) vote = to;
    if (vote === null) return;
    const other = told.votes.get(message.term);
    if (other !== undefined && other !== vote) {
      throw new Violation(`${server} votes for ${other} and for ${vote} in term ${message.term}`);
    }
    told.votes.set(message.term, vote);
  }
}
