/**
 * Mutants of the shell: what clients are told, forwarding, divergence (catalogue 3.2, 3.8; fault model, rows C and N4).
 *
 * Keeps true: what mutant.ts says.
 *
 * @module
 */
import type { Killer, Mutant } from "./mutant.ts";

const NODE = "internal/node/node.ts";
const FORWARDING = "internal/node/forwarding.ts";
const WAITER = "internal/node/waiter.ts";

function certainty(test: string): Killer {
  return { file: "tests/node/certainty_test.ts", test };
}

function gathering(test: string): Killer {
  return { file: "tests/node/gathering_test.ts", test };
}

export const nodeMutants: readonly Mutant[] = [
  {
    name: "answer-before-commit",
    catalogue: ["L12", "I12"],
    breaks: "a client is told OK when its write is in the leader's log",
    file: NODE,
    find: "      for (const waiter of waiters) waiter.index = index;\n",
    replace:
      '      for (const waiter of waiters) waiter.index = index;\n      for (const waiter of waiters) waiter.answerAll({ type: "simple", text: "OK" });\n',
    killer: certainty("a leader answers a write when it is on a majority"),
  },
  {
    name: "promise-leaves-at-once",
    catalogue: ["L13", "E2"],
    breaks: "a message that waits for a write is sent without waiting",
    file: NODE,
    find: "        if (effect.after === null) this.#options.peers.send",
    replace: "        if (effect.after !== undefined) this.#options.peers.send",
    killer: certainty("a promise leaves when its write is stable"),
  },
  {
    name: "promise-leaves-with-the-next-write",
    catalogue: ["L13"],
    breaks: "a write that is stable releases the messages that wait for the next one",
    file: "internal/node/held_messages.ts",
    find: "      if (after > upTo) break;",
    replace: "      if (after > upTo + 1) break;",
    killer: { file: "tests/node/held_messages_test.ts", test: "each of several writes" },
  },
  {
    name: "reply-to-another-entry",
    catalogue: ["L27"],
    breaks: "the client of an overwritten entry gets the answer of the one that took its place",
    file: NODE,
    find: "    if (proposed.term !== entry.term) {",
    replace: "    if (proposed.term < 0) {",
    killer: certainty("a leader that loses the lead"),
  },
  {
    name: "unknown-is-told-as-refused",
    catalogue: ["L26", "C9"],
    breaks: "a write that may happen is told of as one that did not",
    file: WAITER,
    find: 'return this.access === "write" && (this.stage === "proposed" || this.stage === "forwarded");',
    replace: 'return this.access === "write" && this.stage === "answered";',
    killer: certainty("a follower's write is UNKNOWN"),
  },
  {
    name: "refused-is-told-as-unknown",
    catalogue: ["L26"],
    breaks: "a write that certainly did not happen is left in doubt",
    file: WAITER,
    find: 'return this.access === "write" && (this.stage === "proposed" || this.stage === "forwarded");',
    replace: 'return this.access === "write";',
    killer: certainty("a follower's write is UNKNOWN"),
  },
  {
    name: "answered-twice",
    catalogue: ["C9"],
    breaks: "a command that has its answer is answered again",
    file: WAITER,
    find: '    if (this.stage === "answered") return false;\n    this.stage',
    replace: "    this.stage",
    killer: certainty("a client that was told UNKNOWN"),
  },
  {
    name: "forward-applied-twice",
    catalogue: ["N4", "X1"],
    breaks: "a forwarded write whose frame arrives twice is taken twice",
    file: FORWARDING,
    find: "    if (requestId <= sender.highest) return false;\n",
    replace: "",
    killer: certainty("a forwarded command is taken once"),
  },
  {
    name: "forward-from-a-life-that-is-over",
    catalogue: ["N4"],
    breaks: "a frame from an earlier life of a server is taken for one of this life",
    file: FORWARDING,
    find: "    if (sender.over.has(life)) return false;\n",
    replace: "",
    killer: certainty("a forwarded command is taken once"),
  },
  {
    name: "answer-to-another-life",
    catalogue: ["N4"],
    breaks: "an answer to an earlier life of this server is taken for one to this life",
    file: FORWARDING,
    find: "    if (message.life !== this.#life) return;\n",
    replace: "",
    killer: certainty("an answer that was meant for an earlier life"),
  },
  {
    name: "forward-in-another-term",
    catalogue: ["L26"],
    breaks: "a leader takes what was meant for the leader of another term",
    file: NODE,
    find: 'const leads = this.#role === "leader" && message.term === this.#term;',
    replace: 'const leads = this.#role === "leader";',
    killer: certainty("L26: "),
  },
  {
    name: "repeated-frame-is-refused-for-certain",
    catalogue: ["N4", "C9"],
    breaks:
      "a write that was taken is refused for certain when its frame comes again after the lead was lost",
    file: NODE,
    find: 'const taken = access === "read" || term > this.#ledUpTo',
    replace: 'const taken = access !== "read" || term > this.#ledUpTo',
    killer: certainty("a frame that comes again after the lead was lost"),
  },
  {
    name: "broken-connection-is-tried-again",
    catalogue: ["N9", "C9"],
    breaks: "a write that was on a connection that broke is sent to the next leader",
    file: NODE,
    find: "      this.#fail(waiter, `the connection to the leader ${id} broke`);",
    replace: '      waiter.stage = "gathered";\n      this.#parked.push(waiter);',
    killer: certainty("a follower's write is UNKNOWN"),
  },
  {
    name: "retry-overtakes",
    catalogue: ["C9"],
    breaks: "a command that was refused is sent again although a later one of its client has its answer",
    file: NODE,
    find: "      if (sequence < order.answered) {",
    replace: "      if (sequence < 0) {",
    killer: certainty("a read that came back is not asked again"),
  },
  {
    name: "retries-in-another-order",
    catalogue: ["C9"],
    breaks: "commands that were refused are sent again in the order in which they came back",
    file: "internal/node/turn.ts",
    find: "  if (isInOrder) return waiters;\n",
    replace: "  if (newest.size > 0) return waiters;\n",
    killer: certainty("commands that come back in another order"),
  },
  {
    name: "read-overtakes-own-write",
    catalogue: ["R4"],
    breaks: "a forwarded read does not wait for the write of its client that it names",
    file: NODE,
    find: "      order.newestWrite = this.#forwardSlots.waiterOf(from, afterRequestId);\n",
    replace: "",
    killer: certainty("R4: "),
  },
  {
    name: "waiting-is-not-bounded",
    catalogue: ["C4"],
    breaks: "a server takes more commands than may wait",
    file: NODE,
    find: "    if (waiting + count > limits.pendingCommandsMax || bytes >= limits.pendingBytesMax) {",
    replace: "    if (waiting < 0) {",
    killer: certainty("more commands than may wait"),
  },
  {
    name: "broken-invariant-is-survived",
    catalogue: ["L28", "I38"],
    breaks: "a server goes on although its own code found it wrong",
    file: NODE,
    find: "      this.#inputs.length = 0;\n      this.#die(",
    replace:
      '      this.#inputs.length = 0;\n      this.#trace.event("error", "", {});\n      if (!this.#running) this.#die(',
    killer: certainty("L28: "),
  },
  {
    name: "applied-out-of-order",
    catalogue: ["I15"],
    breaks: "an entry may be applied again, or passed over",
    file: "internal/node/applier.ts",
    find:
      '    assert(entry.index === this.#appliedIndex + 1, "I15: entries are applied in the order of the log");\n',
    replace: "",
    killer: { file: "tests/node/applier_test.ts", test: "I15: " },
  },
  {
    name: "divergence-unnoticed",
    catalogue: ["I23"],
    breaks: "a server whose state differs from that of the majority goes on",
    file: "internal/node/divergence.ts",
    find: "    if (own === undefined || own === digest) return null;",
    replace: "    if (own !== undefined || own === digest) return null;",
    killer: { file: "tests/node/digests_test.ts", test: "who differs is told" },
  },
  {
    name: "divergence-by-one-voice",
    catalogue: ["I23"],
    breaks: "the first digest that is told is taken for that of the majority",
    file: "internal/node/divergence.ts",
    find: "    if (!isQuorum(same)) return null;\n",
    replace: "",
    killer: { file: "tests/node/digests_test.ts", test: "one voice is none" },
  },
  {
    name: "digests-of-different-places",
    catalogue: ["I23"],
    breaks: "different digests of the same place are counted together",
    file: "internal/node/divergence.ts",
    find: "[...votes].filter(([, other]) => other === digest).map(([id]) => id)",
    replace: "[...votes].map(([id]) => id)",
    killer: { file: "tests/node/digests_test.ts", test: "one voice is none" },
  },
  {
    name: "held-without-end",
    catalogue: ["C1"],
    breaks: "writes wait for others that never come for as long as a command may",
    file: "internal/node/gathering.ts",
    find: "const until = this.#heldSince + this.#limits.gatherMs;",
    replace: "const until = this.#heldSince + 1000 * this.#limits.gatherMs;",
    killer: gathering("nothing is held for longer than it may"),
  },
  {
    name: "held-for-nothing",
    catalogue: ["C1"],
    breaks: "writes wait for others also where no more is served by it",
    file: "internal/node/trial.ts",
    find: "const GAIN_MIN = 1.04;",
    replace: "const GAIN_MIN = 0.5;",
    killer: gathering("a trial takes the second way only where it serves more"),
  },
  {
    name: "held-read",
    catalogue: ["R4"],
    breaks: "a read waits for the writes of others",
    file: NODE,
    find: '    if (access === "read") this.#gatheredReads = true;\n',
    replace: "",
    killer: gathering("a node hands on what it held"),
  },
];
