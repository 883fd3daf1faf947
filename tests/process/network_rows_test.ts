/**
 * Kind: chaos (real processes behind a proxy).
 *
 * Invariant: what rows N5 to N19 of the fault model promise beyond losing nothing: who cannot serve says so, for certain where it can; a dead
 * connection is noticed; damage closes one connection and is used by nobody; what waits is bounded; strangers do not keep members out.
 * docs/faults.md says which test each row is.
 *
 * Learnt: see the notes at the tests.
 */
import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { connect } from "node:net";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeFrame } from "../../internal/codec/frame.ts";
import { encodeHello } from "../../internal/codec/handshake.ts";
import { Arena, type ArenaOptions } from "./chaos/arena.ts";
import { vitalsOf } from "./chaos/vitals.ts";
import { type Answer, ErrorAnswer } from "./client.ts";
import { pause } from "./cluster.ts";
import { compiled, electionTimeoutMaxMs, eventually, missingBinary, parseInfo } from "./harness.ts";
import { dial, PlainEnd } from "./plain_sockets.ts";
import { sideBySide, type Step, unsanitized } from "./side_by_side.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/network_rows_test.ts: ${skipped}`);
await loadCrc32c();

const REQUEST_TIMEOUT_MS = 1000;

async function onArena(
  body: (arena: Arena, leader: string, followers: readonly string[]) => Promise<void>,
  more: Pick<ArenaOptions, "args" | "profile"> = {},
): Promise<void> {
  const arena = await Arena.start({
    programs: [compiled, compiled, compiled],
    seed: "rows",
    ...more,
    args: ["--request-timeout-ms", String(REQUEST_TIMEOUT_MS), ...more.args ?? []],
  });
  try {
    await arena.settle();
    const leader = await arena.cluster.leader();
    await body(arena, leader, arena.others(leader));
    assertEquals(arena.surprises, []);
  } catch (cause) {
    const said = arena.ids.map((id) => `--- ${id}\n${arena.said(id).slice(-3000)}`).join("\n");
    throw new Error(`the servers said:\n${said}`, { cause });
  } finally {
    await arena.stop();
  }
}

/** One command, past the proxy. */
async function ask(arena: Arena, id: string, ...words: string[]): Promise<Answer> {
  const client = await arena.cluster.client(id);
  try {
    return await client.within(REQUEST_TIMEOUT_MS + 3000, client.send(...words));
  } finally {
    client.close();
  }
}

function errorOf(answer: Answer): string {
  return answer instanceof ErrorAnswer ? answer.text : `no error but ${JSON.stringify(answer)}`;
}

/** The servers other than those go on taking writes. */
async function assertServes(arena: Arena, id: string): Promise<void> {
  await eventually(
    `${id} takes a write`,
    4 * electionTimeoutMaxMs,
    async () => await ask(arena, id, "SET", "served", "1") === "OK",
  );
}

const steps: readonly Step[] = [
  {
    name:
      "N5: cut off from the majority, a leader cannot tell what became of writes, and refuses reads for certain",
    fn: () =>
      onArena(async (arena, leader, followers) => {
        for (const other of followers) {
          arena.block(leader, other, "silence");
          arena.block(other, leader, "silence");
        }
        const [write, read] = await Promise.all([
          ask(arena, leader, "SET", "k", "from the minority"),
          ask(arena, leader, "GET", "k"),
        ]);
        assertMatch(errorOf(write), /^UNKNOWN .*may or may not have happened/);
        assertMatch(errorOf(read), /^NOLEADER .*did not happen/);
        const [other = ""] = followers;
        await assertServes(arena, other);
        assertEquals(await ask(arena, other, "SET", "k", "from the majority"), "OK");
        await arena.heal();
        await arena.settle();
        assertEquals(await ask(arena, leader, "GET", "k"), "from the majority");
      }),
  },
  {
    name: "N5: cut off from the majority, a follower soon refuses everything for certain",
    fn: () =>
      onArena(async (arena, leader, [alone = "", other = ""]) => {
        for (const there of [leader, other]) {
          arena.block(alone, there, "reset");
          arena.block(there, alone, "reset");
        }
        await eventually("it refuses writes for certain", 5000, async () =>
          errorOf(await ask(arena, alone, "SET", "k", "v")).startsWith("NOLEADER "));
        assertMatch(errorOf(await ask(arena, alone, "GET", "k")), /^NOLEADER /);
        await assertServes(arena, other);
        await arena.heal();
        await arena.settle();
        assertEquals(await ask(arena, alone, "GET", "k"), null);
      }),
  },
  {
    name: "N6: a leader that is heard and hears nobody steps down, and the others go on without it",
    fn: () =>
      onArena(async (arena, leader, [follower = "", other = ""]) => {
        for (const from of [follower, other]) arena.block(from, leader, "silence");
        await eventually("it leads no more", 4 * electionTimeoutMaxMs, async () =>
          (await arena.infos()).get(leader)?.get("raft_role") !== "leader");
        await assertServes(arena, follower);
        await arena.heal();
        await arena.settle();
      }),
  },
  {
    name: "N7, N17: links that are cut or flap beside a majority that can speak move the term hardly at all",
    fn: () =>
      onArena(async (arena, leader, [follower = ""]) => {
        const term = async () =>
          Math.max(...[...(await arena.infos()).values()].map((info) => Number(info.get("raft_term"))));
        const block = () => [[leader, follower], [follower, leader]] as const;
        const before = await term();
        for (const [from, to] of block()) arena.block(from, to, "silence");
        await pause(2500);
        for (const [from, to] of block()) await arena.unblock(from, to);
        for (let i = 0; i < 5; i++) {
          for (const [from, to] of block()) arena.block(from, to, "stall");
          await pause(290);
          for (const [from, to] of block()) await arena.unblock(from, to);
          await pause(290);
        }
        await arena.settle();
        // A server that campaigns whenever it hears nothing moves it some ten times; a stall of the machine once or twice.
        assertLess(await term() - before, 4);
      }),
  },
  {
    name: "N9: a half-open link is noticed by the silence on it, and used again when it is healed",
    fn: () =>
      onArena(async (arena, leader, [follower = "", other = ""]) => {
        const link = arena.peerLink(leader, follower);
        link.halfOpen();
        await eventually("the leader gives it up", 5000, () =>
          Promise.resolve(new RegExp(`lost the link to peer peer=${follower} reason="no answer for \\d+ ms"`)
            .test(arena.said(leader))));
        // The one that hears nothing may lead by now; then it is the old leader that cannot reach it.
        await assertServes(arena, other);
        await link.clear();
        await arena.settle(5000);
      }),
  },
  {
    name: "N18: a peer that reads nothing costs its leader a bounded queue, and then the link",
    fn: () =>
      onArena(async (arena, leader, [follower = "", other = ""]) => {
        for (const there of [leader, other]) arena.peerLink(there, follower).pause("up");
        const value = "x".repeat(1024 * 1024);
        let written = 0;
        for (let i = 0; written < 40; i++) {
          // Megabytes through a busy machine may cost a leader its quorum for a moment; then the write is tried again.
          if (await ask(arena, other, "SET", `big:${i % 4}`, value) === "OK") written++;
          else await pause(50);
        }
        await eventually("its leader gives it up", 5000, () =>
          Promise.resolve([leader, other].some((id) =>
            /reason="no answer/.test(arena.said(id))
          )));
        // Both keep the whole log in memory; what one has more is what waits for the peer that does not read.
        const memory = (id: string) => vitalsOf(arena.pid(id) ?? 0)?.memoryBytes ?? 0;
        assertLess(Math.abs(memory(leader) - memory(other)), 300_000_000);
        await arena.heal();
        await arena.settle(15_000);
      }),
  },
  {
    name: "N11: turned bits are seen by the checksum, close the connection, and nothing of the frame is used",
    fn: () =>
      onArena(async (arena) => {
        for (const link of arena.peerLinks) link.flip("both", 0.0005, "n11");
        const writers = arena.ids.map(async (id) => {
          for (let i = 0; i < 40; i++) {
            await ask(arena, id, "SET", `k:${id}:${i}`, "v".repeat(200)).catch(() => null);
          }
        });
        await Promise.race([Promise.all(writers), pause(1500)]);
        await arena.heal();
        await Promise.all(writers);
        await arena.settle();
        const said = arena.ids.map((id) => arena.said(id)).join("\n");
        const reasons = [
          ...said.matchAll(
            /(?:lost the link to peer|cannot reach peer|refused a peer connection) .*reason=(.*)/g,
          ),
        ]
          .map(([, reason]) => reason ?? "");
        assertGreater(
          reasons.filter((reason) => /checksum does not match|frame length is/.test(reason)).length,
          0,
        );
        // Whatever gets past the checksum would be told as a message that cannot be read, or contradicts the protocol.
        const others = reasons.filter((reason) =>
          !/checksum|frame length is|the other side|connection reset|closed the connection|no greeting|no answer|refused by the other side: frame/
            .test(reason)
        );
        assertEquals(others, []);
        assert(!said.includes("contradicts the protocol"), said);
      }),
  },
  {
    name: "N10: a greeting that is cut at any place, by an end or a reset, is only tried again",
    fn: () =>
      onArena(async (arena, leader, [follower = ""]) => {
        const link = arena.peerLink(leader, follower);
        for (const [i, bytes] of [0, 1, 4, 7, 8, 9, 30, 60, 90, 100, 110].entries()) {
          const accepted = link.status().accepted;
          link.cut(i % 2 === 0 ? "up" : "down", bytes, { once: true, reset: i % 3 === 0 });
          link.reset();
          await eventually(`it is dialled again after ${bytes} bytes`, 3000, () =>
            Promise.resolve(link.status().accepted > accepted));
          await link.clear();
        }
        await eventually("the link stands", 5000, async () => {
          const text = await ask(arena, leader, "RAFT", "STATUS");
          return typeof text === "string" && new RegExp(`id=${follower},.*connected=1`).test(text);
        });
        await arena.settle(5000);
      }),
  },
  {
    name: "N13: a length that lies is refused before anything is waited for, before and after the greeting",
    fn: () =>
      onArena(async (arena, leader, [follower = ""]) => {
        const info = parseInfo(String(await ask(arena, leader, "INFO", "raft")));
        const hello = encodeFrame(encodeHello(
          {
            clusterId: info.get("raft_cluster_id") ?? "",
            // A follower lets anybody of the cluster in: it may know less than the caller.
            serverId: "n9",
            incarnation: "0".repeat(16),
            clientAddress: "127.0.0.1:1",
            peerAddress: "127.0.0.1:1",
          },
          follower,
          "control",
        ));
        const length = (value: number) => {
          const bytes = new Uint8Array(8);
          new DataView(bytes.buffer).setUint32(0, value);
          return bytes;
        };
        for (const value of [0xffff_ffff, 0x8000_0000, 16 * 1024 * 1024 + 1, 0]) {
          for (const isGreeted of [false, true]) {
            const end = await dial(arena.cluster.plan(follower).peerPort);
            if (isGreeted) {
              end.write(hello);
              await end.got(20);
            }
            end.write(length(value));
            // A body of no bytes is short of its checksum; the others are above the limit.
            await eventually(`a length of ${value} ends the connection`, 1500, () =>
              Promise.resolve(end.hasEnded || end.over !== null));
            end.socket.destroy();
          }
        }
        assertMatch(arena.said(follower), /frame length is 4294967295, the limit is/);
        await arena.settle(5000);
      }),
  },
  {
    name: "N14: a flood of strangers on the peer port does not keep the members out",
    fn: () =>
      onArena(async (arena, leader, [follower = "", other = ""]) => {
        const { peerPort } = arena.cluster.plan(leader);
        let isOver = false;
        const strangers: PlainEnd[] = [];
        const stranger = async () => {
          while (!isOver) {
            const end = new PlainEnd(connect({ host: "127.0.0.1", port: peerPort }));
            strangers.push(end);
            await eventually("it is closed", 10_000, () => Promise.resolve(end.over !== null || isOver));
            end.socket.destroy();
            await pause(20);
          }
        };
        const flood = Promise.all(Array.from({ length: 150 }, stranger));
        try {
          await pause(300);
          // The members have to come in again through the flood.
          arena.peerLink(follower, leader).reset();
          arena.peerLink(other, leader).reset();
          await eventually("both members come in", 3000, async () => {
            const texts = await Promise.all([follower, other].map((id) => ask(arena, id, "RAFT", "STATUS")));
            return texts.every((text) =>
              typeof text === "string" && new RegExp(`id=${leader},.*connected=1`).test(text)
            );
          });
          await assertServes(arena, follower);
        } finally {
          isOver = true;
          await flood;
        }
        assertLess(vitalsOf(arena.pid(leader) ?? 0)?.descriptors ?? 0, 400);
      }),
  },
  {
    name: "N15: a greeting that comes byte by byte has no more time than any other",
    fn: () =>
      onArena(async (arena, leader) => {
        const slow = await Promise.all(
          Array.from({ length: 20 }, () => dial(arena.cluster.plan(leader).peerPort)),
        );
        const startedAt = performance.now();
        const bytes = encodeFrame(new Uint8Array(500));
        for (let i = 0; slow.some(({ over }) => over === null); i++) {
          assertLess(performance.now() - startedAt, 6000, "they are cut off");
          for (const end of slow) if (end.over === null) end.write(bytes.slice(i, i + 1));
          await pause(100);
        }
        assertGreater(performance.now() - startedAt, 1500);
        await assertServes(arena, leader);
      }),
  },
  {
    name: "N8: a slow link to one follower does not slow the others down",
    fn: () =>
      onArena(async (arena, leader, [slow = ""]) => {
        const rate = async () => {
          let count = 0;
          const until = performance.now() + 1000;
          await Promise.all(Array.from({ length: 4 }, async (_, i) => {
            const client = await arena.cluster.client(leader);
            for (; performance.now() < until; count++) {
              assertEquals(await client.within(3000, client.send("SET", `rate:${i}`, "v".repeat(100))), "OK");
            }
            client.close();
          }));
          return count;
        };
        await rate();
        const healthy = await rate();
        arena.peerLink(leader, slow).bandwidth("both", 10_000);
        arena.peerLink(slow, leader).bandwidth("both", 10_000);
        const hampered = await rate();
        console.log(`    N8: ${healthy} writes/s healthy, ${hampered} with one follower at 10 kB/s`);
        // If it did, some 50 writes/s would get through; the machine itself may be slower in one second than in the next.
        assertGreater(hampered, healthy / 5);
        await arena.heal();
        await arena.settle();
      }),
  },
  {
    name: "N19: a snapshot that fills a slow link for seconds holds no heartbeat up",
    fn: () =>
      onArena(async (arena, anybody, [follower = ""]) => {
        await arena.kill(follower);
        const write = (key: string, value: string) =>
          eventually(
            "it is written",
            3000,
            async () => await ask(arena, anybody, "SET", key, value) === "OK",
          );
        for (let i = 0; i < 12; i++) await write(`big:${i}`, "x".repeat(256 * 1024));
        // What comes behind the snapshot is small: an entry that takes an election timeout to pass is another matter.
        for (let i = 0; i < 20; i++) await write("small", String(i));
        const leader = await arena.cluster.leader();
        const before = (await arena.infos()).get(leader)?.get("raft_term");
        for (const other of arena.others(follower)) {
          arena.peerLink(other, follower).bandwidth("both", 600_000);
          // It is the follower that dials for a snapshot.
          arena.peerLink(follower, other).bandwidth("both", 600_000);
        }
        arena.launch(follower);
        const heard: string[] = [];
        const startedAt = performance.now();
        await eventually("the follower has everything", 30_000, async () => {
          const info = (await arena.infos()).get(follower);
          if (info?.get("raft_leader") === leader) {
            heard.push(`${info.get("raft_role")} of ${info.get("raft_term")}`);
          }
          return Number(info?.get("raft_applied_index") ?? 0) > 32;
        });
        // 3 MB at 600 kB/s: the 2 MB that may be under way would make a heartbeat late by more than an election timeout.
        assertGreater(performance.now() - startedAt, 2500);
        assertGreater(heard.length, 10);
        assertEquals(new Set(heard), new Set([`follower of ${before}`]));
        assertMatch(arena.said(leader), /snapshot/);
        const said = arena.said(follower);
        assert(!said.slice(said.indexOf(`leader=${leader}`)).includes("preCandidate"), said);
      }, { profile: "wan", args: ["--snapshot-entries", "10", "--log-memory-entries", "10"] }),
  },
];

Deno.test({
  name: "rows of the fault model: network",
  ignore: skipped !== null,
  ...unsanitized,
  fn: (test) => sideBySide(test, 3, steps),
});
