/**
 * Records of the log in words: as a line for people, as a JSON object for programs.
 *
 * Keeps true: the JSON object says everything that the record says, values byte for byte: a text where the bytes are UTF-8, else
 * `{"base64": ...}`. The line for people cuts long values short.
 *
 * @module
 */
import { decodeCommand, Operation } from "../codec/command.ts";
import { decodeCommandBatch } from "../codec/command_batch.ts";
import type { ConfigurationValue } from "../raft/types.ts";
import { wordsOfFooter } from "../storage/footer.ts";
import type { SegmentHeader } from "../storage/segment.ts";
import type { RecordSight, Sight } from "./log_scan.ts";

/** What a record can be, as `--kind` and JSON name it. */
export const RECORD_KINDS = [
  "noop",
  "command",
  "configuration",
  "hard-state",
  "truncate",
  "reset",
  "commit",
  "segment",
  "footer",
] as const;

export type RecordKind = (typeof RECORD_KINDS)[number];

/** A value of a record, as JSON has it. */
type Words = { readonly [name: string]: unknown };

/** Values longer than this are cut short for people. */
const SHOWN_CHARS = 48;
const SHOWN_COMMANDS = 8;

const OPERATIONS = new Map<number, string>(Object.entries(Operation).map(([name, code]) => [code, name]));

/** The kind of a record, and its index where it has one. */
export function placeOf({ record }: RecordSight): {
  readonly kind: RecordKind;
  readonly index: number | null;
} {
  switch (record.kind) {
    case "entry":
      return { kind: record.entry.kind, index: record.entry.index };
    case "hardState":
      return { kind: "hard-state", index: null };
    case "truncate":
      return { kind: "truncate", index: record.from };
    case "reset":
      return { kind: "reset", index: record.position.index };
    case "commit":
      return { kind: "commit", index: record.index };
  }
}

/** Everything that a record says. */
export function jsonOfRecord(sight: RecordSight): Words {
  const { file, offset, bytes, batch, record } = sight;
  const place = { file, offset, bytes, batch, kind: placeOf(sight).kind };
  switch (record.kind) {
    case "entry": {
      const { index, term, payload, configuration } = record.entry;
      if (configuration !== null) return { ...place, index, term, configuration };
      return record.entry.kind === "noop"
        ? { ...place, index, term }
        : { ...place, index, term, commands: commandsOf(payload) };
    }
    case "hardState":
      return { ...place, currentTerm: record.hardState.currentTerm, votedFor: record.hardState.votedFor };
    case "truncate":
      return { ...place, from: record.from };
    case "reset":
      return { ...place, index: record.position.index, term: record.position.term };
    case "commit":
      return { ...place, index: record.index };
  }
}

export function jsonOfSegment(file: string, { nonce, ...header }: SegmentHeader): Words {
  return { file, offset: 0, kind: "segment", ...header, nonce: hex(nonce) };
}

export function lineOfSegment(file: string, { serial, clusterId, serverId, state }: SegmentHeader): string {
  const { hardState, last, commitIndex, epoch } = state;
  return `${file}:0 segment ${serial} of server ${serverId}, cluster ${clusterId}: term ${hardState.currentTerm}, ` +
    `vote ${
      hardState.votedFor ?? "-"
    }, last entry ${last.index}:${last.term}, commit ${commitIndex}, epoch ${epoch}`;
}

type FooterSight = Extract<Sight, { readonly kind: "footer" }>;

export function jsonOfFooter({ file, offset, footer: { nonce, ...footer } }: FooterSight): Words {
  return { file, offset, kind: "footer", ...footer, nonce: hex(nonce) };
}

export function lineOfFooter({ file, offset, footer }: FooterSight): string {
  return `${file}:${offset} end of segment ${footer.serial}: ${wordsOfFooter(footer)}`;
}

export function lineOfRecord(sight: RecordSight): string {
  const { file, offset, record } = sight;
  return `${file}:${offset} ${wordsOf(record)}`;
}

function wordsOf(record: RecordSight["record"]): string {
  switch (record.kind) {
    case "entry": {
      const { index, term, kind, payload, configuration } = record.entry;
      const name = `${kind} ${index}:${term}`;
      if (configuration !== null) return `${name} ${wordsOfConfiguration(configuration)}`;
      return kind === "noop" ? name : `${name} ${wordsOfCommands(payload)}`;
    }
    case "hardState":
      return `hard-state term ${record.hardState.currentTerm}, vote ${record.hardState.votedFor ?? "-"}`;
    case "truncate":
      return `truncate from ${record.from}`;
    case "reset":
      return `reset behind ${record.position.index}:${record.position.term}`;
    case "commit":
      return `commit ${record.index}`;
  }
}

/** Who the members are, in few words. */
export function wordsOfConfiguration({ voters, outgoing, learners, members }: ConfigurationValue): string {
  const at = (id: string) => `${id}=${members.find((member) => member.id === id)?.address ?? "?"}`;
  const parts = [`voters ${voters.map(at).join(",") || "none"}`];
  if (outgoing.length > 0) parts.push(`outgoing ${outgoing.map(at).join(",")}`);
  if (learners.length > 0) parts.push(`learners ${learners.map(at).join(",")}`);
  return parts.join(" ");
}

function wordsOfCommands(payload: Uint8Array): string {
  const commands = decodeCommandBatch(payload);
  if (typeof commands === "string") return `malformed: ${commands}`;
  const shown = commands.slice(0, SHOWN_COMMANDS).map((bytes) => {
    const command = decodeCommand(bytes);
    if (typeof command === "string") return `malformed: ${command}`;
    return [nameOf(command.operation), ...command.args.slice(0, SHOWN_COMMANDS).map(quoted)].join(" ");
  });
  const more = commands.length > SHOWN_COMMANDS ? `; and ${commands.length - SHOWN_COMMANDS} more` : "";
  return `${payload.length} bytes: ${shown.join("; ")}${more}`;
}

function commandsOf(payload: Uint8Array): readonly Words[] | Words {
  const commands = decodeCommandBatch(payload);
  if (typeof commands === "string") return { malformed: commands, payload: valueOf(payload) };
  return commands.map((bytes) => {
    const command = decodeCommand(bytes);
    if (typeof command === "string") return { malformed: command, payload: valueOf(bytes) };
    return { operation: nameOf(command.operation), args: command.args.map(valueOf) };
  });
}

function nameOf(operation: number): string {
  return OPERATIONS.get(operation) ?? `operation-${operation}`;
}

function valueOf(bytes: Uint8Array): string | Words {
  return textOf(bytes) ?? { base64: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) };
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Bytes that are no text have another form.
    return null;
  }
}

function quoted(bytes: Uint8Array): string {
  const short = bytes.subarray(0, SHOWN_CHARS);
  const text = Array.from(short, (byte) => {
    if (byte === 34 || byte === 92) return `\\${String.fromCharCode(byte)}`;
    return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }).join("");
  return bytes.length > SHOWN_CHARS ? `"${text}"... (${bytes.length} bytes)` : `"${text}"`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
