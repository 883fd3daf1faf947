/**
 * The greeting: the first frame in each direction of a connection between servers, at most 1 KiB of CBOR.
 *
 * The dialer says `["raftline", version, cluster id, own id, the id it means to reach, incarnation, client address, peer address,
 * lane]`; the listener answers `["welcome", version, cluster id, own id, incarnation, client address, peer address]` or
 * `["refused", reason, whether the dialer is no member]`. Identity, not address, decides who somebody is (O5, M16).
 *
 * Lanes: 0 control, what the algorithm says; 1 bulk, snapshots, so that they never stand in front of a heartbeat (N19, S18); 2 a
 * question who the listener is, by somebody who need not know its cluster nor its id, which may be empty then.
 *
 * @module
 */
import { type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";

export const PROTOCOL_VERSION = 1;
export const GREETING_BYTES_MAX = 1024;

/** Who a server is, as it says itself. */
export interface PeerIdentity {
  readonly clusterId: string;
  readonly serverId: string;
  readonly incarnation: string;
  /** Where it serves clients, as `host:port`; for other clients to be told. */
  readonly clientAddress: string;
  /** Where other servers reach it, as `host:port`. */
  readonly peerAddress: string;
}

/** What a connection between servers is for. */
export type Lane = "control" | "bulk" | "question";

const LANES: readonly Lane[] = ["control", "bulk", "question"];

export interface Hello extends PeerIdentity {
  readonly version: number;
  /** Whom the dialer means to reach. */
  readonly expectedId: string;
  readonly lane: Lane;
}

export type HelloAnswer =
  | ({ readonly kind: "welcome"; readonly version: number } & PeerIdentity)
  | { readonly kind: "refused"; readonly reason: string; readonly isNoMember: boolean };

const TEXT_MAX = 256;

export function encodeHello(self: PeerIdentity, expectedId: string, lane: Lane): Uint8Array {
  return encodeCbor([
    "raftline",
    PROTOCOL_VERSION,
    self.clusterId,
    self.serverId,
    expectedId,
    self.incarnation,
    self.clientAddress,
    self.peerAddress,
    LANES.indexOf(lane),
  ]);
}

export function encodeWelcome(self: PeerIdentity): Uint8Array {
  return encodeCbor([
    "welcome",
    PROTOCOL_VERSION,
    self.clusterId,
    self.serverId,
    self.incarnation,
    self.clientAddress,
    self.peerAddress,
  ]);
}

export function encodeRefused(reason: string, isNoMember: boolean): Uint8Array {
  return encodeCbor(["refused", reason.slice(0, TEXT_MAX), isNoMember]);
}

/** What the dialer said, or why it is no greeting. */
export function decodeHello(body: Uint8Array): Hello | string {
  const fields = fieldsOf(body);
  if (typeof fields === "string") return fields;
  const [magic, version, clusterId, serverId, expectedId, incarnation, clientAddress, peerAddress, number] =
    fields;
  if (magic !== "raftline" || typeof version !== "number") return "the greeting is not raftline's";
  if (version !== PROTOCOL_VERSION) {
    return `protocol version is ${version}, this server speaks ${PROTOCOL_VERSION}`;
  }
  const lane = typeof number === "number" ? LANES[number] : undefined;
  if (
    fields.length !== 9 || !isText(clusterId) || !isText(serverId) || !isText(expectedId) ||
    !isText(incarnation) || !isText(clientAddress) || !isText(peerAddress) || lane === undefined
  ) {
    return "the greeting's fields are not what they should be";
  }
  return { version, clusterId, serverId, expectedId, incarnation, clientAddress, peerAddress, lane };
}

export function decodeHelloAnswer(body: Uint8Array): HelloAnswer | string {
  const fields = fieldsOf(body);
  if (typeof fields === "string") return fields;
  const [kind, second, clusterId, serverId, incarnation, clientAddress, peerAddress] = fields;
  if (kind === "refused" && isText(second) && typeof clusterId === "boolean" && fields.length === 3) {
    return { kind, reason: second, isNoMember: clusterId };
  }
  if (kind !== "welcome" || typeof second !== "number") return "the answer to the greeting is not raftline's";
  if (second !== PROTOCOL_VERSION) {
    return `protocol version is ${second}, this server speaks ${PROTOCOL_VERSION}`;
  }
  if (
    fields.length !== 7 || !isText(clusterId) || !isText(serverId) || !isText(incarnation) ||
    !isText(clientAddress) || !isText(peerAddress)
  ) {
    return "the fields of the answer to the greeting are not what they should be";
  }
  return { kind, version: second, clusterId, serverId, incarnation, clientAddress, peerAddress };
}

function fieldsOf(body: Uint8Array): readonly CborValue[] | string {
  const decoded = decodeCbor(body);
  if ("reason" in decoded) return decoded.reason;
  return Array.isArray(decoded.value) ? decoded.value : "a greeting is an array";
}

function isText(value: CborValue | undefined): value is string {
  return typeof value === "string" && value.length <= TEXT_MAX;
}
