/**
 * Kind: unit.
 *
 * Invariant: what `RAFT STATUS` writes, `raftline status` reads: nothing is lost but what is not known, and what is missing is named.
 *
 * Learnt: writer and reader live in rooms that do not see each other, so only a test can hold them together.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { parseStatus } from "../../cmd/raft_status.ts";
import type { NodeStatus } from "../../internal/clients/backend.ts";
import { raftStatusText } from "../../internal/clients/info.ts";

const STATUS: NodeStatus = {
  id: "n1",
  clusterId: "c0ffee",
  role: "leader",
  term: 7,
  leaderId: "n1",
  leaderClientAddress: "h1:7001",
  commitIndex: 12,
  appliedIndex: 11,
  lastIndex: 13,
  firstIndex: 1,
  snapshotIndex: 10,
  configurationIndex: 9,
  isConfigurationSettled: true,
  isRemoved: false,
  members: [
    {
      id: "n1",
      peerAddress: "[::1]:7101",
      standing: "voter",
      priority: 100,
      clientAddress: "[::1]:7001",
      connected: true,
      matchIndex: 13,
    },
    {
      id: "n2",
      peerAddress: "h2:7101",
      standing: "learner",
      priority: 100,
      clientAddress: null,
      connected: false,
      matchIndex: null,
    },
    {
      id: "n3",
      peerAddress: "h3:7101",
      standing: "leaving",
      priority: 100,
      clientAddress: "h3:7001",
      connected: true,
      matchIndex: 0,
    },
  ],
  keys: 3,
};

Deno.test("a status comes back", () => {
  const { leaderId, clusterId, leaderClientAddress: _, firstIndex: __, members, ...rest } = STATUS;
  assertEquals(parseStatus(raftStatusText(STATUS)), {
    ...rest,
    clusterId,
    leader: leaderId,
    members: members.map(({ id, peerAddress, standing, clientAddress, connected, matchIndex }) => ({
      id,
      standing,
      peer: peerAddress,
      client: clientAddress,
      connected,
      matchIndex,
    })),
  });
});

Deno.test("what is not known stays so", () => {
  const status = parseStatus(raftStatusText({ ...STATUS, role: "candidate", leaderId: null, members: [] }));
  assertEquals([status.leader, status.role, status.members], [null, "candidate", []]);
});

Deno.test("bare line ends and lines of a later version are fine", () => {
  const text = raftStatusText(STATUS);
  const other = `${text.replaceAll("\r\n", "\n")}later:1\nno colon\n`;
  assertEquals(parseStatus(other), parseStatus(text));
});

for (const field of ["id", "cluster_id", "role", "term", "leader", "last_index", "commit_index", "keys"]) {
  Deno.test(`a status without ${field} is refused by name`, () => {
    const text = raftStatusText(STATUS).split("\r\n").filter((line) => !line.startsWith(`${field}:`)).join(
      "\r\n",
    );
    assertThrows(() => parseStatus(text), Error, `the status lacks ${field}`);
  });
}
