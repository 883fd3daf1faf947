/**
 * Random entries, messages and replies; the tables are complete by their types, so a new kind does not go untested.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import { encodeCommandBatch } from "../../internal/codec/command_batch.ts";
import type { WireMessage } from "../../internal/codec/message_codec.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import type { Health } from "../../internal/raft/message.ts";
import type { ConfigurationValue, Entry, EntryKind, Member } from "../../internal/raft/types.ts";
import { randomBytes, randomNumber, randomText } from "./support.ts";

const KINDS: readonly EntryKind[] = ["noop", "command", "configuration"];

/** Entries contiguous in index, with terms in [termMin, termMax] that never fall. */
export function entriesOf(
  random: Random,
  { first, count, termMin, termMax }: {
    readonly first: number;
    readonly count: number;
    readonly termMin: number;
    readonly termMax: number;
  },
): Entry[] {
  let term = termMin;
  return Array.from({ length: count }, (_, i): Entry => {
    term = randomNumber(random, term, termMax);
    const kind = KINDS[random.below(KINDS.length)] ?? "noop";
    const isConfiguration = kind === "configuration";
    return {
      index: first + i,
      term,
      kind,
      payload: isConfiguration ? new Uint8Array(0) : randomBytes(random, 40),
      configuration: isConfiguration ? randomConfiguration(random) : null,
      record: null,
    };
  });
}

/** A sound configuration, now and then joint, now and then empty. */
export function randomConfiguration(random: Random): ConfigurationValue {
  const ids = Array.from({ length: random.between(0, 9) }, (_, i) => `${randomText(random, 3)}${i}`).sort(
    (a, b) => a < b ? -1 : 1,
  );
  const voters = ids.filter((_, i) => i === 0 || random.chance(1, 2));
  const outgoing = random.chance(1, 2) ? ids.filter(() => random.chance(1, 2)) : [];
  const learners = ids.filter((id) =>
    !voters.includes(id) && (!outgoing.includes(id) || random.chance(1, 2))
  );
  const members = ids.map((id): Member => ({
    id,
    address: randomText(random, 20),
    incarnation: randomText(random, 16),
    priority: random.below(1001),
    promote: random.chance(1, 2),
    replaces: random.chance(1, 2) ? randomText(random, 5) : null,
  }));
  return { voters, outgoing, learners, members };
}

function randomHealth(random: Random): Health {
  return { diskMs: randomNumber(random), loopMs: randomNumber(random) };
}

/** One maker for each kind; what it makes keeps every rule of the decoder. */
export const messageMakers: {
  readonly [Kind in WireMessage["kind"]]: (random: Random) => Extract<WireMessage, { readonly kind: Kind }>;
} = {
  requestVoteRequest: (random) => {
    const term = randomNumber(random, 1);
    const lastLogTerm = randomNumber(random, 0, term - 1);
    return {
      kind: "requestVoteRequest",
      term,
      lastLogIndex: randomNumber(random),
      lastLogTerm,
      transfer: random.chance(1, 2),
    };
  },
  preVoteRequest: (random) => {
    const term = randomNumber(random);
    return {
      kind: "preVoteRequest",
      term,
      lastLogIndex: randomNumber(random),
      lastLogTerm: randomNumber(random, 0, term),
      round: randomNumber(random),
    };
  },
  preVoteResponse: (random) => ({
    kind: "preVoteResponse",
    term: randomNumber(random),
    voteGranted: random.chance(1, 2),
    round: randomNumber(random),
  }),
  installSnapshotRequest: (random) => {
    const term = randomNumber(random, 1);
    return {
      kind: "installSnapshotRequest",
      term,
      snapshotIndex: randomNumber(random, 1),
      snapshotTerm: randomNumber(random, 1, term),
      round: randomNumber(random),
      health: randomHealth(random),
    };
  },
  installSnapshotResponse: (random) => {
    const term = randomNumber(random);
    const requestTerm = random.chance(1, 2) ? term : randomNumber(random, 0, term);
    return {
      kind: "installSnapshotResponse",
      term,
      requestTerm,
      round: randomNumber(random),
      matchIndex: requestTerm === term ? randomNumber(random) : 0,
      epoch: randomNumber(random),
    };
  },
  timeoutNowRequest: (random) => ({
    kind: "timeoutNowRequest",
    term: randomNumber(random, 1),
    lastLogIndex: randomNumber(random),
  }),
  requestVoteResponse: (random) => ({
    kind: "requestVoteResponse",
    term: randomNumber(random),
    voteGranted: random.chance(1, 2),
  }),
  appendEntriesRequest: (random) => {
    const count = random.between(0, 4);
    const term = randomNumber(random, 1);
    const prevLogIndex = randomNumber(random, 0, Number.MAX_SAFE_INTEGER - count);
    const prevLogTerm = prevLogIndex === 0 ? 0 : randomNumber(random, 1, term);
    const termMin = Math.max(1, prevLogTerm);
    return {
      kind: "appendEntriesRequest",
      term,
      prevLogIndex,
      prevLogTerm,
      leaderCommit: randomNumber(random),
      health: randomHealth(random),
      epoch: randomNumber(random),
      round: randomNumber(random),
      entries: entriesOf(random, { first: prevLogIndex + 1, count, termMin, termMax: term }),
    };
  },
  appendEntriesResponse: (random) => {
    const term = randomNumber(random);
    const success = random.chance(1, 2);
    const prevLogIndex = randomNumber(random);
    return {
      kind: "appendEntriesResponse",
      term,
      requestTerm: success ? term : randomNumber(random, 0, term),
      success,
      prevLogIndex,
      round: randomNumber(random),
      matchIndex: randomNumber(random, success ? prevLogIndex : 0),
      hintIndex: randomNumber(random),
      hintTerm: randomNumber(random),
      epoch: randomNumber(random),
    };
  },
  forwardRequest: (random) => ({
    kind: "forwardRequest",
    term: randomNumber(random, 1),
    life: randomNumber(random),
    requests: Array.from({ length: random.between(0, 4) }, () => {
      const requestId = randomNumber(random, 1);
      const count = random.between(1, 4);
      return {
        requestId,
        access: random.chance(1, 2) ? "read" : "write",
        afterRequestId: randomNumber(random, 0, requestId - 1),
        count,
        commands: encodeCommandBatch(Array.from({ length: count }, () => randomBytes(random, 200))),
      };
    }),
  }),
  forwardResponse: (random) => ({
    kind: "forwardResponse",
    life: randomNumber(random),
    responses: Array.from({ length: random.between(0, 4) }, () => ({
      requestId: randomNumber(random, 1),
      replies: randomBytes(random, 300),
    })),
  }),
  digestReport: (random) => ({
    kind: "digestReport",
    index: randomNumber(random),
    digest: randomNumber(random),
  }),
  adminRequest: (random) => ({
    kind: "adminRequest",
    term: randomNumber(random),
    life: randomNumber(random),
    requestId: randomNumber(random),
    words: Array.from({ length: random.between(0, 5) }, () => randomText(random, 20)),
  }),
  adminResponse: (random) => ({
    kind: "adminResponse",
    life: randomNumber(random),
    requestId: randomNumber(random),
    reply: randomBytes(random, 60),
  }),
  readIndexRequest: (random) => ({
    kind: "readIndexRequest",
    term: randomNumber(random),
    life: randomNumber(random),
    requestId: randomNumber(random),
  }),
  readIndexResponse: (random) => ({
    kind: "readIndexResponse",
    life: randomNumber(random),
    requestId: randomNumber(random),
    index: randomNumber(random),
  }),
  ping: (random) => ({ kind: "ping", number: randomNumber(random) }),
  pong: (random) => ({ kind: "pong", number: randomNumber(random) }),
};

const INT64 = [-(2n ** 63n), -1n, 0n, 1n, 2n ** 53n, 2n ** 63n - 1n];

/** One maker for each type; `depth` is how deep arrays may nest in its CBOR. */
export const replyMakers: {
  readonly [Type in Reply["type"]]: (
    random: Random,
    depth: number,
  ) => Extract<Reply, { readonly type: Type }>;
} = {
  simple: (random) => ({ type: "simple", text: randomText(random, 40) }),
  error: (random) => ({ type: "error", text: `ERR ${randomText(random, 40)}` }),
  integer: (random) => ({ type: "integer", value: INT64[random.below(INT64.length)] ?? 0n }),
  bulk: (random) => ({ type: "bulk", bytes: randomBytes(random, 600) }),
  null: () => ({ type: "null" }),
  array: (random, depth) => ({
    type: "array",
    items: Array.from({ length: random.between(0, 4) }, () => randomReply(random, depth - 2)),
  }),
  map: (random, depth) => ({
    type: "map",
    pairs: Array.from(
      { length: random.between(0, 3) },
      () => [randomReply(random, depth - 3), randomReply(random, depth - 3)] as const,
    ),
  }),
};

export function randomReply(random: Random, depth: number): Reply {
  const makers = Object.values(replyMakers).filter((maker) =>
    (maker !== replyMakers.array || depth >= 3) && (maker !== replyMakers.map || depth >= 4)
  );
  const make = makers[random.below(makers.length)] ?? replyMakers.null;
  return make(random, depth);
}
