/**
 * Messages, entries, writes and replies in the few words that a picture has room for.
 *
 * Keeps true: every text is one line, and none is longer than a line.
 *
 * @module
 */
import { latin1Of } from "../../../internal/base/latin1.ts";
import { decodeCommand, Operation } from "../../../internal/codec/command.ts";
import { decodeCommandBatch } from "../../../internal/codec/command_batch.ts";
import type { PeerMessage } from "../../../internal/codec/peer_message.ts";
import type { Reply } from "../../../internal/codec/reply.ts";
import type { Effect, WriteEffect } from "../../../internal/raft/effect.ts";
import type { Health } from "../../../internal/raft/message.ts";
import type { ConfigurationValue, Entry } from "../../../internal/raft/types.ts";
import type { MessageClass } from "./recording.ts";

const WORD_MAX = 24;
const TEXT_MAX = 160;
const COMMANDS_MAX = 4;

const NAMES = new Map<number, string>(
  Object.entries(Operation).map(([name, code]) => [code, name.toUpperCase()]),
);

/** Cut, and without anything that does not print. */
export function shortWord(text: string, max = WORD_MAX): string {
  const printable = text.replaceAll(/[^\x20-\x7e\u2026]/g, "\u00b7");
  if (printable.length <= max) return printable;
  // Values are filled up with dots: what tells one from another is in front.
  return `${printable.slice(0, max - 1).replace(/\.+$/, "")}\u2026`;
}

function shortText(parts: readonly string[]): string {
  const text = parts.filter((part) => part !== "").join(" ");
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}\u2026`;
}

export function shownWords(words: readonly string[]): string {
  return shortText(words.map((word) => shortWord(word)));
}

function configurationText({ voters, outgoing, learners }: ConfigurationValue): string {
  return shortText([
    `voters ${voters.join(",")}`,
    outgoing.length === 0 ? "" : `outgoing ${outgoing.join(",")}`,
    learners.length === 0 ? "" : `learners ${learners.join(",")}`,
  ]);
}

/** What an entry holds. */
export function entryText({ kind, payload, configuration }: Entry): string {
  if (kind === "configuration") return configuration === null ? kind : configurationText(configuration);
  if (kind === "noop") return kind;
  const commands = decodeCommandBatch(payload);
  if (typeof commands === "string") return `no commands: ${commands}`;
  const shown = commands.slice(0, COMMANDS_MAX).map((bytes) => {
    const decoded = decodeCommand(bytes);
    if (typeof decoded === "string") return decoded;
    const name = NAMES.get(decoded.operation) ?? `operation ${decoded.operation}`;
    return shownWords([name, ...decoded.args.map(latin1Of)]);
  });
  const more = commands.length - shown.length;
  return shortText([shown.join("; "), more > 0 ? `and ${more} more` : ""]);
}

function entriesText(entries: readonly Entry[]): string {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) return "";
  const terms = first.term === last.term ? `term ${first.term}` : `terms ${first.term} to ${last.term}`;
  return first === last
    ? `entry ${first.index} of ${terms}`
    : `entries ${first.index}\u2013${last.index} of ${terms}`;
}

export function writeText({ hardState, reset, truncateFrom, append }: WriteEffect): string {
  return shortText([
    hardState === null ? "" : `term ${hardState.currentTerm}, vote ${hardState.votedFor ?? "none"}`,
    reset === null ? "" : `log begins anew behind ${reset.index}`,
    truncateFrom === null ? "" : `log cut from ${truncateFrom} on`,
    entriesText(append),
  ].map((part, i, all) =>
    i > 0 && part !== "" && all.slice(0, i).some((one) => one !== "") ? `+ ${part}` : part
  ));
}

/** Only what is out of the ordinary. */
function healthText({ diskMs, loopMs }: Health): string {
  return shortText([
    diskMs > 50 ? `disk waits ${diskMs} ms` : "",
    loopMs > 50 ? `loop late ${loopMs} ms` : "",
  ]);
}

/** What a message says, and which class it belongs to. */
export function messageText(message: PeerMessage): readonly [kind: MessageClass, text: string] {
  switch (message.kind) {
    case "preVoteRequest":
      return [
        "election",
        `PreVote? T${message.term}, log ends ${message.lastLogIndex}/T${message.lastLogTerm}`,
      ];
    case "preVoteResponse":
      return ["election", `PreVote ${message.voteGranted ? "granted" : "refused"} T${message.term}`];
    case "requestVoteRequest":
      return [
        "election",
        `RequestVote T${message.term}, log ends ${message.lastLogIndex}/T${message.lastLogTerm}${
          message.transfer ? ", transfer" : ""
        }`,
      ];
    case "requestVoteResponse":
      return ["election", `Vote ${message.voteGranted ? "granted" : "refused"} T${message.term}`];
    case "timeoutNowRequest":
      return ["election", `TimeoutNow T${message.term}, log ends ${message.lastLogIndex}`];
    case "appendEntriesRequest": {
      const { term, entries, prevLogIndex, prevLogTerm, leaderCommit, round, health } = message;
      const what = entries.length === 0 ? "Heartbeat" : `Append ${entriesText(entries)},`;
      const text = [
        `${what} T${term}, prev ${prevLogIndex}/T${prevLogTerm}, commit ${leaderCommit}, round ${round}`,
        healthText(health),
      ];
      return [entries.length === 0 ? "heartbeat" : "append", shortText(text)];
    }
    case "appendEntriesResponse": {
      const { term, requestTerm, success, prevLogIndex, round, matchIndex, hintIndex, hintTerm } = message;
      const what = success
        ? `Appended, match ${matchIndex}`
        : `Append refused, hint ${hintIndex}/T${hintTerm}`;
      const older = requestTerm === term ? "" : ` to T${requestTerm}`;
      return ["response", `${what}, T${term}${older}, prev ${prevLogIndex}, round ${round}`];
    }
    case "installSnapshotRequest":
      return [
        "snapshot",
        `InstallSnapshot T${message.term}, log begins behind ${message.snapshotIndex}/T${message.snapshotTerm}, round ${message.round}`,
      ];
    case "installSnapshotResponse":
      return [
        "snapshot",
        `Snapshot ${
          message.matchIndex === 0 ? "wanted" : `there, match ${message.matchIndex}`
        }, T${message.term}, round ${message.round}`,
      ];
    case "forwardRequest": {
      const batches = message.requests.map(({ requestId, access, count }) =>
        `#${requestId} ${count} ${access}${count === 1 ? "" : "s"}`
      );
      return ["shell", shortText([`Forward T${message.term}:`, batches.join(", ")])];
    }
    case "forwardResponse":
      return [
        "shell",
        shortText([
          "Forward answered:",
          message.responses.map(({ requestId }) => `#${requestId}`).join(", "),
        ]),
      ];
    case "digestReport":
      return ["shell", `Digest ${message.digest.toString(16)} behind ${message.index}`];
    case "adminRequest":
      return ["shell", shortText([`Admin #${message.requestId}:`, shownWords(message.words)])];
    case "adminResponse":
      return ["shell", `Admin #${message.requestId} answered`];
    case "readIndexRequest":
      return ["shell", `ReadIndex? #${message.requestId} T${message.term}`];
    case "readIndexResponse":
      return ["shell", `ReadIndex #${message.requestId} is ${message.index}`];
  }
}

/** Effects that are no message, no write and no state; `null` for the others. */
export function noteText(effect: Effect): string | null {
  switch (effect.kind) {
    case "objection":
      return `objects to ${effect.from}: ${effect.reason}`;
    case "repaired":
      return "its log is repaired";
    case "rolledBack":
      return `has less than it acknowledged: loss ${effect.epoch}`;
    case "halt":
      return `halts: ${effect.reason}`;
    case "configuration":
      return `configuration at ${effect.index}: ${configurationText(effect.configuration)}`;
    case "needSnapshot":
      return `needs a snapshot that covers ${effect.index}`;
    case "installSnapshot":
      return `goes on from the snapshot at ${effect.index}/T${effect.term}`;
    case "refused":
      return `refuses a request: ${effect.reason}`;
    case "changeRefused":
      return `refuses a change: ${effect.reason}`;
    case "transferEnded":
      return `transfer ended: ${effect.reason ?? "done"}`;
    case "apply": {
      const [first, last] = [effect.entries[0], effect.entries.at(-1)];
      return first === undefined || last === undefined
        ? null
        : `applies ${first === last ? first.index : `${first.index}\u2013${last.index}`}`;
    }
    case "readable":
      return `read #${effect.requestId} may be answered from ${effect.index}`;
    case "write":
    case "send":
    case "accepted":
    case "changed":
      return null;
  }
}

export function replyText(reply: Reply): string {
  switch (reply.type) {
    case "simple":
      return reply.text;
    case "error":
      return shortWord(reply.text, TEXT_MAX);
    case "integer":
      return String(reply.value);
    case "bulk":
      return shortWord(latin1Of(reply.bytes), 60);
    case "null":
      return "nil";
    case "array":
      return shortText(reply.items.map(replyText));
    case "map":
      return shortText(reply.pairs.map(([key, value]) => `${replyText(key)}=${replyText(value)}`));
  }
}
