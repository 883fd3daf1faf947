/**
 * An operator of the world: changes the members, hands the lead over, asks for snapshots; over a connection like any client's, of any server.
 *
 * He asks again when he likes, whatever became of the last question, so that changes meet. He is sensible: he takes no vote away while a voter
 * is lost for good, other than that one's, and none while one mends. A server that was a member once is not made one again.
 *
 * Keeps true: what he is told with OK is so: a configuration is committed that has it (I12).
 *
 * @module
 */
import { latin1Of } from "../../internal/base/latin1.ts";
import type { Random } from "../../internal/base/random.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import type { ConfigurationValue, LogIndex } from "../../internal/raft/types.ts";
import { Violation } from "../invariants/ghost.ts";
import { CLIENT_PORT, peerAddressOf } from "./assemble.ts";
import type { Configurations } from "./checks.ts";
import type { Odds } from "./odds.ts";
import type { Server } from "./server.ts";
import { SimClient } from "./sim_client.ts";
import type { SimNetwork } from "./sim_network.ts";
import { LifeClock, type VirtualTime } from "./virtual_time.ts";

/** What an operator did, as coverage counts it: asked for and told that it is done. */
export type Deed =
  | "add"
  | "addLearner"
  | "remove"
  | "replace"
  | "promote"
  | "demote"
  | "transfer"
  | "snapshot"
  | "priority";

export const deeds: readonly Deed[] = [
  "add",
  "addLearner",
  "remove",
  "replace",
  "promote",
  "demote",
  "transfer",
  "snapshot",
  "priority",
];

const NAME = "operator";
/** He waits no longer for an answer. */
const PATIENCE_MS = 4000;
const VOTERS_LEAST = 2;
const VOTERS_MOST = 6;

export interface OperatorOptions {
  readonly time: VirtualTime;
  readonly network: SimNetwork;
  readonly odds: Odds;
  readonly servers: readonly Server[];
  readonly random: Random;
  readonly configurations: () => Configurations;
  /** Something was done. */
  readonly did: (deed: Deed, words: readonly string[]) => void;
  /** A server takes part from now on. */
  readonly joined: (server: Server) => void;
  readonly fail: (error: unknown) => void;
}

interface Wish {
  readonly deed: Deed;
  readonly words: readonly string[];
  /** Whether a configuration has it. */
  readonly isSo?: (configuration: ConfigurationValue) => boolean;
}

export class Operator {
  readonly #options: OperatorOptions;
  readonly #clock: LifeClock;
  #isOver = false;
  /** Whoever was a member at some time. */
  readonly #known = new Set<string>();

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#clock = new LifeClock(options.time);
  }

  get name(): string {
    return NAME;
  }

  start(): void {
    if (this.#options.odds.operatorEveryMs > 0) this.#wait();
  }

  /** He asks for nothing more. */
  stop(): void {
    this.#isOver = true;
  }

  #wait(): void {
    const { time, random, odds } = this.#options;
    time.at(time.now + 1 + random.below(2 * odds.operatorEveryMs), () => this.#ask());
  }

  #ask(): void {
    if (this.#isOver) return;
    const { network, servers, random, time, fail } = this.#options;
    const there = servers.filter(({ isSpare, isRetired }) => !isSpare && !isRetired);
    const asked = there[random.below(there.length)];
    const wish = this.#wish();
    if (asked === undefined || wish === null) return this.#wait();
    const since = this.#settled?.index ?? 0;
    const connection = new SimClient(network.bodyFor(NAME, this.#clock), this.#clock, asked.id, CLIENT_PORT);
    let isAnswered = false;
    connection.send([["RAFT", ...wish.words]], [(reply) => {
      if (isAnswered) return;
      isAnswered = true;
      connection.close();
      try {
        if (reply !== null) this.#told(wish, reply, since);
      } catch (error) {
        fail(error);
      }
      this.#wait();
    }]);
    time.at(time.now + PATIENCE_MS, () => connection.close());
  }

  #told({ deed, words, isSo }: Wish, reply: Reply, since: LogIndex): void {
    const text = reply.type === "simple" ? reply.text : reply.type === "error" ? reply.text : latin1Of(
      reply.type === "bulk" ? reply.bytes : new Uint8Array(0),
    );
    if (reply.type === "error") {
      if (/^(?:ERR|NOLEADER|BUSY|UNKNOWN) ./.test(text)) return;
      throw new Violation(`the operator is answered with ${text}`);
    }
    // A learner that is to vote may be on its way yet.
    const isOnItsWay = text.includes("becomes a voter by itself");
    if (isSo !== undefined && !isOnItsWay) {
      const { committed } = this.#options.configurations();
      if (!committed.some(({ index, configuration }) => index >= since && isSo(configuration))) {
        throw new Violation(
          `RAFT ${words.join(" ")} is answered with ${text}; no such configuration is committed`,
        );
      }
    }
    this.#options.did(deed, words);
  }

  /* ---- what he wants ---- */

  get #settled(): { readonly index: LogIndex; readonly configuration: ConfigurationValue } | null {
    return this.#options.configurations().committed.at(-1) ?? null;
  }

  #wish(): Wish | null {
    const { random, servers, odds } = this.#options;
    const configuration = this.#settled?.configuration;
    if (configuration === undefined) return null;
    const { voters, learners, members } = configuration;
    for (const { id } of members) this.#known.add(id);
    const isMember = (id: string) => members.some((member) => member.id === id);
    const lost = servers.find(({ id, isWiped }) => isWiped && isMember(id)) ?? null;
    const fresh = servers.filter(({ id, isRetired, isWiped }) =>
      !isRetired && !isWiped && !this.#known.has(id)
    );
    // Whoever lost a part of its log cannot elect yet: no vote is taken away before it has everything again.
    const isMending = servers.some(({ id, keepsAll, isWiped }) => isMember(id) && !keepsAll && !isWiped);
    const wishes: (() => Wish | null)[] = [
      () => this.#transfer(anyOf(voters, random)),
      () => this.#transfer(null),
      () => ({ deed: "snapshot", words: ["SNAPSHOT"] }),
      () => this.#priority(anyOf(members.map(({ id }) => id), random)),
    ];
    if (odds.spares > 0) {
      const one = anyOf(fresh, random);
      wishes.push(
        () => voters.length < VOTERS_MOST ? this.#add(one, false) : null,
        () => this.#add(one, true),
      );
      // Learners are few, so whoever finds one makes use of it.
      for (const id of learners) wishes.push(() => this.#promote(id), () => this.#promote(id));
      if (lost === null && !isMending) {
        wishes.push(
          () => this.#replace(anyOf(voters, random), one),
          () => voters.length > VOTERS_LEAST ? this.#remove(anyOf(voters, random)) : null,
          () => this.#remove(anyOf(learners, random)),
          () => voters.length > VOTERS_LEAST ? this.#demote(anyOf(voters, random)) : null,
        );
      } else if (lost !== null) {
        wishes.push(
          () => voters.includes(lost.id) ? this.#replace(lost.id, one) : null,
          () => this.#remove(lost.id),
          () => this.#replace(voters.includes(lost.id) ? lost.id : null, one),
        );
      }
    }
    return wishes[random.below(wishes.length)]?.() ?? null;
  }

  #transfer(to: string | null): Wish {
    return { deed: "transfer", words: to === null ? ["TRANSFER"] : ["TRANSFER", to] };
  }

  #priority(id: string | null): Wish | null {
    if (id === null) return null;
    return { deed: "priority", words: ["PRIORITY", id, String(this.#options.random.between(50, 200))] };
  }

  #add(server: Server | null, learns: boolean): Wish | null {
    if (server === null) return null;
    const { id } = this.#begun(server);
    const words = ["ADD", id, peerAddressOf(id), ...(learns ? ["LEARNER"] : [])];
    return {
      deed: learns ? "addLearner" : "add",
      words,
      isSo: ({ voters, learners }) => (learns ? learners : voters).includes(id),
    };
  }

  #replace(old: string | null, server: Server | null): Wish | null {
    if (server === null || old === null) return null;
    const { id } = this.#begun(server);
    return {
      deed: "replace",
      words: ["REPLACE", old, id, peerAddressOf(id)],
      isSo: ({ voters }) => voters.includes(id),
    };
  }

  #remove(id: string | null): Wish | null {
    if (id === null) return null;
    return {
      deed: "remove",
      words: ["REMOVE", id],
      isSo: ({ members }) => !members.some((member) => member.id === id),
    };
  }

  #promote(id: string | null): Wish | null {
    if (id === null) return null;
    return { deed: "promote", words: ["PROMOTE", id], isSo: ({ voters }) => voters.includes(id) };
  }

  #demote(id: string | null): Wish | null {
    if (id === null) return null;
    return { deed: "demote", words: ["DEMOTE", id], isSo: ({ learners }) => learners.includes(id) };
  }

  /** Starts a server that waits to be added. */
  #begun(server: Server): Server {
    if (server.isSpare) {
      server.isSpare = false;
      server.start();
      this.#options.joined(server);
    }
    return server;
  }
}

function anyOf<T>(items: readonly T[], random: Random): T | null {
  return items[random.below(items.length || 1)] ?? null;
}
