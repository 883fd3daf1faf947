/**
 * Whose data directory this is.
 *
 * `DIR/identity` is two lines: a JSON object, and the CRC32C of the first line. It is written once, at birth, after the
 * first segment of the log is durable; so a directory with an identity and without a log has lost it, and a log with records and
 * without an identity is nobody's: both are damage, never a fresh start (D18, M11).
 *
 * Keeps true: what is read is what was written at birth, or it is refused.
 *
 * @module
 */
import { CorruptLogError } from "../base/errors.ts";
import { crc32c } from "../codec/crc32c.ts";
import type { FileSystem } from "../platform/file_system.ts";

const FORMAT = 1;
export const IDENTITY_NAME = "identity";

/** A voter at birth. */
export interface BirthMember {
  readonly id: string;
  /** Where others reach it, as `host:port`. */
  readonly address: string;
}

/** Who a server is, for ever. */
export interface Identity {
  readonly clusterId: string;
  readonly serverId: string;
  /** Drawn at birth: tells a server from another that came after it under the same id. */
  readonly incarnation: string;
  /** The voters at birth; nobody for a server that waits to be added. */
  readonly members: readonly BirthMember[];
}

/** Behind the name of what is to take another one's place, until it does (`raftline restore`, `raftline recover`). */
export const SUCCESSOR = ".new";

/** Writes the identity of a new server, and returns when it is durable. */
export async function writeIdentity(
  fileSystem: FileSystem,
  directory: string,
  identity: Identity,
  name: string = IDENTITY_NAME,
): Promise<void> {
  const { clusterId, serverId, incarnation, members } = identity;
  const line = JSON.stringify({ format: FORMAT, clusterId, serverId, incarnation, members });
  const text = `${line}\ncrc32c ${checksumOf(line)}\n`;
  const temporary = `${directory}/${name}.tmp`;
  if ((await fileSystem.readDirectory(directory)).includes(`${name}.tmp`)) {
    await fileSystem.remove(temporary);
  }
  const file = await fileSystem.create(temporary);
  try {
    await file.writeAt(0, new TextEncoder().encode(text));
    await file.sync();
  } finally {
    await file.close();
  }
  await fileSystem.rename(temporary, `${directory}/${name}`);
  await fileSystem.syncDirectory(directory);
}

/** @throws {CorruptLogError} where it is not what was written */
export async function readIdentity(
  fileSystem: FileSystem,
  directory: string,
  name: string = IDENTITY_NAME,
): Promise<Identity> {
  const path = `${directory}/${name}`;
  const file = await fileSystem.openForReading(path);
  let text: string;
  try {
    text = new TextDecoder().decode(await file.readAt(0, Math.min(await file.size(), 64 * 1024)));
  } finally {
    await file.close();
  }
  const [line, checksum, rest] = text.split("\n");
  if (line === undefined || checksum !== `crc32c ${checksumOf(line)}` || rest !== "") {
    throw new CorruptLogError(path, 0, "the identity's checksum does not match");
  }
  const value: unknown = JSON.parse(line);
  if (
    typeof value !== "object" || value === null || !("format" in value) || !("clusterId" in value) ||
    !("serverId" in value) ||
    !("incarnation" in value) || !("members" in value)
  ) throw new CorruptLogError(path, 0, "the identity lacks a field");
  const { format, clusterId, serverId, incarnation, members } = value;
  if (format !== FORMAT) {
    throw new CorruptLogError(path, 0, `the identity's format is ${format}, this program reads ${FORMAT}`);
  }
  const known = membersOf(members);
  if (
    typeof clusterId !== "string" || typeof serverId !== "string" || typeof incarnation !== "string" ||
    known === null
  ) throw new CorruptLogError(path, 0, "the identity's fields are not what they should be");
  return { clusterId, serverId, incarnation, members: known };
}

function membersOf(value: unknown): BirthMember[] | null {
  if (!Array.isArray(value)) return null;
  const members: BirthMember[] = [];
  for (const item of value) {
    if (typeof item !== "object" || item === null || !("id" in item) || !("address" in item)) return null;
    const { id, address } = item;
    if (typeof id !== "string" || typeof address !== "string") return null;
    members.push({ id, address });
  }
  return members;
}

function checksumOf(line: string): string {
  return crc32c(new TextEncoder().encode(line)).toString(16).padStart(8, "0");
}
