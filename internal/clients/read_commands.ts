/**
 * How fresh reads have to be: for a connection (READONLY, READWRITE) or for one command (STALE), and how fresh they are (RAFT AGE).
 *
 * | words | what reads are then |
 * | --- | --- |
 * | `READWRITE` | linearizable, asked of the leader: as at the beginning |
 * | `READONLY` | linearizable, answered by this server from its own state |
 * | `READONLY LEASE` | linearizable while clocks drift no further apart than the leader was told; answered by it at once |
 * | `READONLY STALE MS` | from this server's state, if it lacks nothing that was acknowledged more than MS milliseconds ago |
 * | `STALE MS GET key` | one read so; answered with its age in milliseconds and its reply |
 *
 * @module
 */
import { latin1Of } from "../base/latin1.ts";
import { errorReply, OK, type Reply } from "../codec/reply.ts";
import type { ReadMode } from "./backend.ts";
import type { CommandContext, Plan } from "./command_spec.ts";

function answer(reply: Reply): Plan {
  return { kind: "answer", reply };
}

function milliseconds(word: string): number | null {
  return /^\d{1,12}$/.test(word) ? Number(word) : null;
}

const NO_TIME = answer(errorReply("ERR the staleness is a whole number of milliseconds"));

/** READONLY [LEASE | STALE ms] */
export function readonlyCommand(args: readonly Uint8Array[], context: CommandContext): Plan {
  const [kind = "", ms = "", more] = args.map((arg) => latin1Of(arg).toUpperCase());
  const set = (mode: ReadMode): Plan => {
    context.setReads(mode);
    return answer(OK);
  };
  if (args.length === 0) return set({ kind: "follower" });
  if (kind === "LEASE" && args.length === 1) return set({ kind: "lease" });
  if (kind === "STALE" && more === undefined) {
    const bound = milliseconds(ms);
    return bound === null ? NO_TIME : set({ kind: "stale", ms: bound });
  }
  return answer(errorReply("ERR READONLY takes nothing, LEASE, or STALE and milliseconds"));
}

/** STALE ms command [arg ...] */
export function staleCommand(
  args: readonly Uint8Array[],
  context: CommandContext,
  planOf: (words: readonly Uint8Array[], context: CommandContext) => Plan,
): Plan {
  const [word, ...words] = args;
  const bound = milliseconds(word === undefined ? "" : latin1Of(word));
  if (bound === null) return NO_TIME;
  const plan = planOf(words, context);
  if (plan.kind === "answer" && plan.reply.type === "error") return plan;
  if (plan.kind !== "submit" || plan.access !== "read" || plan.reads !== undefined) {
    return answer(errorReply("ERR STALE is for commands that read keys"));
  }
  const { translate } = plan;
  return {
    ...plan,
    reads: { kind: "stale", ms: bound },
    translate: (reply) => {
      if (reply.type === "error") return reply;
      const age: Reply = { type: "integer", value: Math.ceil(context.ageMs() ?? 0) };
      return { type: "array", items: [age, translate === null ? reply : translate(reply)] };
    },
  };
}
