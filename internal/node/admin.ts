/**
 * What an operator asks of the cluster, done on the leader: each question is answered with what happened, or why not.
 *
 * Keeps true:
 *  1. A change that is answered with OK is committed and settled: no joint configuration is left of it.
 *  2. A new server is asked who it is before it is added: the id, the cluster and the birth that it names are what the configuration
 *     will hold (O1, O5, M11).
 *  3. A refusal names the rule. Where the lead is lost on the way, the answer is UNKNOWN.
 *
 * @module
 */
import type { AdminCommand } from "../codec/admin_command.ts";
import { errorReply, type Reply } from "../codec/reply.ts";
import type { Clock, Millis } from "../platform/clock.ts";
import type { ConfigurationChange, Input, RequestId } from "../raft/input.ts";
import type { Raft } from "../raft/raft.ts";
import type { ConfigurationValue, LogIndex, Member, ServerId } from "../raft/types.ts";
import type { PeerRoom } from "./ports.ts";

/** How long a new server may take to become a voter before the operator is told that it is on its way. */
const CATCH_UP_MS = 10_000;
/** How long a change may take to be committed. */
const CHANGE_MS = 10_000;

export interface AdminOptions {
  readonly clusterId: string;
  readonly clock: Clock;
  readonly raft: Raft;
  readonly peers: Pick<PeerRoom, "askWho">;
  readonly deliver: (input: Input) => void;
  readonly nextRequestId: () => RequestId;
}

type Answer = (reply: Reply) => void;

/** A change that was accepted, and what it waits for. */
interface Wait {
  /** Where it stands in the log; `null` until the core took it. */
  index: LogIndex | null;
  readonly answer: Answer;
  /** The answer, if that configuration settles it. */
  readonly settled: (configuration: ConfigurationValue) => Reply | null;
  readonly deadline: Millis;
  readonly late: () => Reply;
}

const ok = (text: string): Reply => ({ type: "simple", text: `OK ${text}` });

export class Admin {
  readonly #options: AdminOptions;
  readonly #waits = new Map<RequestId, Wait>();
  readonly #transfers = new Map<RequestId, Answer>();

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  /** Whether anybody waits. */
  get isBusy(): boolean {
    return this.#waits.size > 0 || this.#transfers.size > 0;
  }

  /** Does what is asked; this server leads. */
  execute(command: AdminCommand, answer: Answer): void {
    const { deliver, nextRequestId } = this.#options;
    switch (command.kind) {
      case "transfer": {
        const requestId = nextRequestId();
        this.#transfers.set(requestId, answer);
        return deliver({ kind: "transferLeadership", requestId, to: command.to });
      }
      case "add":
        return this.#add(command, answer);
      case "priority": {
        const { id, priority } = command;
        const known = this.#memberOf(id);
        if (known === null) return answer(errorReply(`ERR ${id} is no member`));
        const has = ({ members }: ConfigurationValue) =>
          members.some((member) => member.id === id && member.priority === priority);
        return this.#change(
          { kind: "update", members: [{ ...known, priority }] },
          command.ifIndex,
          answer,
          (value) => has(value) ? ok(`${id} has priority ${priority}`) : null,
        );
      }
      case "remove":
      case "promote":
      case "demote":
        return this.#change(
          { kind: command.kind, id: command.id },
          command.ifIndex,
          answer,
          (value) => settledChange(command.kind, command.id, value),
        );
    }
  }

  /* ---- what the core answers ---- */

  accepted(requestId: RequestId, index: LogIndex): boolean {
    const wait = this.#waits.get(requestId);
    if (wait !== undefined) wait.index = index;
    return wait !== undefined;
  }

  changeRefused(requestId: RequestId, reason: string): void {
    this.#finish(requestId, errorReply(`ERR the members stay as they are: ${reason}`));
  }

  /** The core took neither change nor transfer. Tells whether that was ours. */
  refused(requestId: RequestId, text: string): boolean {
    return this.#finish(requestId, errorReply(text));
  }

  transferEnded(requestId: RequestId, reason: string | null): void {
    const reply = reason === null
      ? ok("the lead was handed over")
      : errorReply(`ERR this server goes on leading: ${reason}`);
    this.#finish(requestId, reply);
  }

  /** That configuration is committed and applied. */
  applied(index: LogIndex, configuration: ConfigurationValue): void {
    if (configuration.outgoing.length > 0) return;
    for (const [requestId, wait] of this.#waits) {
      if (wait.index === null || index < wait.index) continue;
      const reply = wait.settled(configuration);
      if (reply !== null) this.#finish(requestId, reply);
    }
  }

  /** Another server leads now, or nobody. */
  lostLeadership(): void {
    for (const [requestId, { index }] of this.#waits) {
      const text = index === null
        ? "NOLEADER leadership was lost; it did not happen, try again"
        : "UNKNOWN leadership was lost; the change may or may not happen: see RAFT CONFIG";
      this.#finish(requestId, errorReply(text));
    }
  }

  /** Tells whoever waited too long how things stand. */
  sweep(): void {
    const now = this.#options.clock.now();
    for (const [requestId, { deadline, late }] of this.#waits) {
      if (deadline <= now) this.#finish(requestId, late());
    }
  }

  /* ---- changes ---- */

  #add(command: Extract<AdminCommand, { kind: "add" }>, answer: Answer): void {
    const { id, address, promote, priority, replaces, ifIndex } = command;
    const { clusterId, peers } = this.#options;
    peers.askWho(address, (who) => {
      if (typeof who === "string") return answer(errorReply(`ERR cannot reach ${id} at ${address}: ${who}`));
      if (who.serverId !== id) {
        return answer(errorReply(`ERR ${address} is server ${who.serverId}, not ${id}`));
      }
      if (who.clusterId !== clusterId) {
        return answer(
          errorReply(
            `ERR ${id} at ${address} is of cluster ${who.clusterId}, this one is ${clusterId}: ` +
              `start it with --join and an empty data directory`,
          ),
        );
      }
      const member: Member = { id, address, incarnation: who.incarnation, priority, promote, replaces };
      this.#change(
        { kind: "add", member },
        ifIndex,
        answer,
        ({ voters, learners }) =>
          promote
            ? voters.includes(id)
              ? ok(replaces === null ? `${id} votes` : `${id} votes in the place of ${replaces}`)
              : null
            : learners.includes(id)
            ? ok(`${id} learns`)
            : null,
        CATCH_UP_MS,
        () => promote ? this.#onItsWay(id) : tooLate(),
      );
    });
  }

  #change(
    change: ConfigurationChange,
    ifIndex: LogIndex | null,
    answer: Answer,
    settled: (configuration: ConfigurationValue) => Reply | null,
    withinMs: Millis = CHANGE_MS,
    late: () => Reply = tooLate,
  ): void {
    const { clock, deliver, nextRequestId } = this.#options;
    const requestId = nextRequestId();
    this.#waits.set(requestId, { index: null, answer, settled, deadline: clock.now() + withinMs, late });
    deliver({ kind: "changeConfiguration", requestId, change, ifIndex });
  }

  #onItsWay(id: ServerId): Reply {
    const { raft } = this.#options;
    const progress = raft.progress.get(id);
    if (progress === undefined || raft.view().configurationIndex > raft.view().commitIndex) return tooLate();
    const lacks = raft.log.lastIndex - progress.matchIndex;
    const how = progress.mood === "snapshot" ? "it gets a snapshot" : `it lacks ${lacks} entries`;
    return ok(`${id} learns and becomes a voter by itself: ${how}`);
  }

  #memberOf(id: ServerId): Member | null {
    return this.#options.raft.view().configuration.members.find((member) => member.id === id) ?? null;
  }

  #finish(requestId: RequestId, reply: Reply): boolean {
    const answer = this.#waits.get(requestId)?.answer ?? this.#transfers.get(requestId);
    this.#waits.delete(requestId);
    this.#transfers.delete(requestId);
    answer?.(reply);
    return answer !== undefined;
  }
}

function tooLate(): Reply {
  return errorReply("UNKNOWN the change is not committed yet, and may still be: see RAFT CONFIG");
}

function settledChange(
  kind: "remove" | "promote" | "demote",
  id: ServerId,
  { voters, learners, members }: ConfigurationValue,
): Reply | null {
  switch (kind) {
    case "remove":
      return members.some((member) => member.id === id) ? null : ok(`${id} is removed`);
    case "promote":
      return voters.includes(id) ? ok(`${id} votes`) : null;
    case "demote":
      return learners.includes(id) ? ok(`${id} learns`) : null;
  }
}
