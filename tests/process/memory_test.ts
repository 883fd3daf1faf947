/**
 * Kind: chaos (real processes of the compiled binary, of which one has its memory changed from outside).
 *
 * Invariant: a server whose memory lost a bit of a value neither answers with that value nor applies anything on top of it: it stops with
 * 70 and says why, whichever way it comes to look at it; the others go on, and have the value.
 *
 * Learnt: a digest alone finds this only when the pair is touched or captured, since a write adds what was computed when the
 * pair was put there; so the checksum of a pair is looked at whenever its value is.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { TestClient } from "./client.ts";
import { onCluster } from "./cluster.ts";
import { compiled, eventually, missingBinary } from "./harness.ts";
import { cannotRot, rot } from "./rot.ts";
import process from "node:process";

const skipped = missingBinary() ?? cannotRot(process.pid);
if (skipped !== null) console.log(`skipped: tests/process/memory_test.ts: ${skipped}`);

/** How the value is come upon: at the server that has it wrong, or through the log. */
const WAYS: Readonly<Record<string, (atVictim: TestClient, elsewhere: TestClient) => Promise<unknown>>> = {
  "a read": async (atVictim) => {
    await atVictim.send("READONLY");
    return await atVictim.send("GET", "key");
  },
  "a write on top of it": (_, elsewhere) => elsewhere.send("APPEND", "key", "!"),
  "a snapshot": (atVictim) => atVictim.send("RAFT", "SNAPSHOT"),
};

for (const [way, look] of Object.entries(WAYS)) {
  for (const role of ["follower", "leader"] as const) {
    Deno.test({
      name: `a ${role} that comes upon a value with a flipped bit by ${way} stops, and the others have it`,
      ignore: skipped !== null,
      fn: () =>
        onCluster([compiled, compiled, compiled], async (cluster) => {
          const ids = cluster.plans.map(({ id }) => id);
          const leader = await cluster.leader();
          const follower = ids.find((id) => id !== leader) ?? "";
          const victim = role === "leader" ? leader : follower;
          const other = ids.find((id) => id !== leader && id !== victim) ?? "";
          const atVictim = await cluster.client(victim);
          const elsewhere = await cluster.client(other);
          const value = `precious-${Math.random().toString(36).repeat(8)}`;
          assertEquals(await elsewhere.send("SET", "key", value), "OK");
          await eventually("the victim applied it", 10_000, async () => {
            await atVictim.send("READONLY");
            return await atVictim.send("GET", "key") === value;
          });
          const running = cluster.running.get(victim);
          assert(running !== undefined);
          assert(rot(running.child.pid ?? 0, new TextEncoder().encode(value)) > 0, "the value is in memory");
          const answer = await look(atVictim, elsewhere).catch(() => "closed");
          assert(typeof answer !== "string" || !answer.startsWith("precious"), `answered ${String(answer)}`);
          const ended = await running.ended;
          assertEquals(ended.code, 70);
          assertMatch(ended.stderr, /Memory keeps what was put there|do not add up to the digest they had/);
          await eventually("the others have it", 10_000, async () => {
            const found = await elsewhere.send("GET", "key");
            return found === value || found === `${value}!`;
          });
          atVictim.close();
          elsewhere.close();
        }),
    });
  }
}
