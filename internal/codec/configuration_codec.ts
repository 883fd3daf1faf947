/**
 * Who the members are, as bytes: in log entries and in snapshots.
 *
 * CBOR: `[voters, outgoing, learners, members]`, the first three arrays of ids, the last one of
 * `[id, address, incarnation, priority, promote, replaces or null]`; all in the order of ids.
 *
 * Keeps true: a value has one encoding; what is decoded is sound, so that the core's assertions speak about our own code only.
 *
 * @module
 */
import type { ConfigurationValue, Member } from "../raft/types.ts";
import { type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";

const TEXT_MAX = 256;
const MEMBERS_MAX = 1000;
const PRIORITY_MAX = 1000;

export function encodeConfiguration(configuration: ConfigurationValue): Uint8Array {
  const { voters, outgoing, learners, members } = configuration;
  return encodeCbor([
    voters,
    outgoing,
    learners,
    members.map(({ id, address, incarnation, priority, promote, replaces }) => [
      id,
      address,
      incarnation,
      priority,
      promote,
      replaces,
    ]),
  ]);
}

/** The configuration, or why the bytes are none. */
export function decodeConfiguration(bytes: Uint8Array): ConfigurationValue | string {
  const decoded = decodeCbor(bytes);
  if ("reason" in decoded) return decoded.reason;
  if (!Array.isArray(decoded.value)) return "a configuration is an array";
  const fields: readonly CborValue[] = decoded.value;
  if (fields.length !== 4) return `a configuration has 4 fields, not ${fields.length}`;
  const [voters, outgoing, learners] = fields.slice(0, 3).map(idsOf);
  const members = membersOf(fields[3]);
  if (voters === undefined || voters === null) return "voters is no array of ids";
  if (outgoing === undefined || outgoing === null) return "outgoing is no array of ids";
  if (learners === undefined || learners === null) return "learners is no array of ids";
  if (typeof members === "string") return members;
  const value = { voters, outgoing, learners, members };
  return objectionTo(value) ?? value;
}

function idsOf(field: CborValue): string[] | null {
  if (!Array.isArray(field) || field.length > MEMBERS_MAX) return null;
  const ids: string[] = [];
  for (const id of field) {
    if (!isText(id) || id === "") return null;
    ids.push(id);
  }
  return ids;
}

function membersOf(field: CborValue | undefined): Member[] | string {
  if (!Array.isArray(field) || field.length > MEMBERS_MAX) return "members is no array of members";
  const members: Member[] = [];
  for (const item of field) {
    if (!Array.isArray(item) || item.length !== 6) return "a member is no array of 6";
    const [id, address, incarnation, priority, promote, replaces] = item;
    if (
      !isText(id) || id === "" || !isText(address) || !isText(incarnation) || typeof priority !== "number" ||
      priority > PRIORITY_MAX || typeof promote !== "boolean" || (replaces !== null && !isText(replaces))
    ) return "a member's fields are not what they should be";
    members.push({ id, address, incarnation, priority, promote, replaces });
  }
  return members;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_MAX;
}

/** What contradicts itself in a configuration. */
function objectionTo({ voters, outgoing, learners, members }: ConfigurationValue): string | null {
  const ids = members.map(({ id }) => id);
  for (const list of [voters, outgoing, learners, ids]) {
    for (const [i, id] of list.entries()) {
      const before = list[i - 1];
      if (before !== undefined && before >= id) return `${id} follows ${before}`;
    }
  }
  const named = new Set([...voters, ...outgoing, ...learners]);
  for (const id of ids) if (!named.has(id)) return `${id} is neither voter nor learner`;
  if (named.size !== ids.length) return "a voter or learner is no member";
  for (const id of learners) if (voters.includes(id)) return `${id} is voter and learner`;
  return voters.length === 0 && members.length > 0 ? "nobody votes" : null;
}
