/**
 * Kind: integration (real processes, clients that nobody here wrote).
 *
 * Invariant: redis-cli, redis-benchmark, netcat and a published client library work unchanged against every server of a cluster,
 * whichever leads, and agree with one another about what is stored.
 *
 * Learnt: ioredis asks INFO before anything else and waits for `loading:0`; redis-benchmark asks CONFIG GET twice and goes on whatever it hears.
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import { Buffer } from "node:buffer";
import { onCluster } from "./cluster.ts";
import { compiled, fromSource, missingBinary, missingProgram, type Program, run } from "./harness.ts";

const program = missingBinary() === null ? compiled : fromSource;
const three: readonly Program[] = [program, program, program];

function tool(name: string): { readonly program: Program; readonly ignore: boolean } {
  const missing = missingProgram(name);
  if (missing !== null) console.log(`skipped: tests with ${name}: ${missing}`);
  return { program: { name, command: name, args: [] }, ignore: missing !== null };
}

const redisCli = tool("redis-cli");
const redisBenchmark = tool("redis-benchmark");
const netcat = tool("nc");

Deno.test({
  name: "redis-cli writes at one server and reads at the others",
  ignore: redisCli.ignore,
  fn: () =>
    onCluster(three, async (cluster) => {
      const ask = async (id: string, ...words: string[]) => {
        const port = String(cluster.plan(id).clientPort);
        const { code, stdout } = await run(redisCli.program, ["-p", port, "--no-raw", ...words]);
        assertEquals(code, 0);
        return stdout.trimEnd();
      };
      const rounds: readonly (readonly [readonly string[], string])[] = [
        [["SET", "greeting", "hello world"], "OK"],
        [["GET", "greeting"], '"hello world"'],
        [["SET", "greeting", "no", "NX"], "(nil)"],
        [["SET", "greeting", "two", "GET"], '"hello world"'],
        [["STRLEN", "greeting"], "(integer) 3"],
        [["INCR", "counter"], "(integer) 1"],
        [["INCRBY", "counter", "41"], "(integer) 42"],
        [["DECR", "counter"], "(integer) 41"],
        [["APPEND", "greeting", "!"], "(integer) 4"],
        [["MSET", "a", "1", "b", "2"], "OK"],
        [["MGET", "a", "none", "b"], '1) "1"\n2) (nil)\n3) "2"'],
        [["EXISTS", "a", "a", "none"], "(integer) 2"],
        [["KEYS", "[ab]"], '1) "a"\n2) "b"'],
        [["DBSIZE"], "(integer) 4"],
        [["DEL", "a", "none"], "(integer) 1"],
        [["INCR", "greeting"], "(error) ERR value is not an integer or out of range"],
        [["NONSENSE"], "(error) ERR unknown command 'NONSENSE', with args beginning with:"],
        [["GET"], "(error) ERR wrong number of arguments for 'get' command"],
        [["PING"], "PONG"],
        [["SELECT", "0"], "OK"],
      ];
      const ids = cluster.plans.map(({ id }) => id);
      for (const [i, [words, answer]] of rounds.entries()) {
        assertEquals(await ask(ids[i % 3] ?? "n1", ...words), answer, words.join(" "));
      }
      for (const id of ids) assertMatch(await ask(id, "INFO", "raft"), /raft_role:(leader|follower)/);
      assertMatch(await ask("n1", "SCAN", "0", "MATCH", "c*", "COUNT", "100"), /"counter"/);
    }),
});

Deno.test({
  name: "redis-benchmark runs its SET and GET tests to the end at every server",
  ignore: redisBenchmark.ignore,
  fn: () =>
    onCluster(three, async (cluster) => {
      for (const { clientPort } of cluster.plans) {
        const args = [
          "-p",
          String(clientPort),
          "-t",
          "set,get",
          "-n",
          "3000",
          "-c",
          "20",
          "-P",
          "4",
          "-r",
          "100",
        ];
        const { code, stdout, stderr } = await run(redisBenchmark.program, [...args, "--csv"], 60_000);
        assertEquals(code, 0, stderr);
        assertMatch(stdout, /"SET","\d+/);
        assertMatch(stdout, /"GET","\d+/);
      }
    }),
});

Deno.test({
  name: "netcat gets its answers from the line in the README",
  ignore: netcat.ignore,
  fn: () =>
    onCluster(three, async (cluster) => {
      for (const { clientPort } of cluster.plans) {
        const shell = { name: "sh", command: "sh", args: ["-c"] };
        const line = `printf 'SET greeting hello\\r\\nGET greeting\\r\\n' | nc -q1 127.0.0.1 ${clientPort}`;
        const { stdout } = await run(shell, [line]);
        assertEquals(stdout, "+OK\r\n$5\r\nhello\r\n");
      }
    }),
});

Deno.test("ioredis, a published library, works unchanged through a change of leaders", () =>
  onCluster(three, async (cluster) => {
    const leader = await cluster.leader();
    const other = cluster.plans.find(({ id }) => id !== leader);
    if (other === undefined) throw new Error("a cluster of three has a follower");
    const redis = new Redis({ host: "127.0.0.1", port: other.clientPort, maxRetriesPerRequest: 3 });
    redis.on("error", () => {});
    try {
      assertEquals(await redis.set("k", "v"), "OK");
      assertEquals(await redis.get("k"), "v");
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      await redis.set("binary", bytes);
      assertEquals((await redis.getBuffer("binary"))?.toString("hex"), bytes.toString("hex"));
      assertEquals(await redis.incrby("n", 5), 5);
      assertEquals(await redis.mget("k", "none"), ["v", null]);
      await assertRejects(() => redis.incr("k"), Error, "not an integer");
      const pipeline = redis.pipeline();
      for (let i = 0; i < 200; i++) pipeline.set(`p:${i}`, String(i));
      const results = await pipeline.exec();
      assertEquals(results?.every(([error, answer]) => error === null && answer === "OK"), true);
      const found: string[] = [];
      for await (const keys of redis.scanStream({ match: "p:*", count: 50 })) found.push(...keys);
      assertEquals(new Set(found).size, 200);
      await cluster.running.get(leader)?.kill();
      await cluster.leader([leader]);
      assertEquals(await redis.get("p:199"), "199");
      assertEquals(await redis.set("after", "1"), "OK");
      const status = await redis.call("RAFT", "STATUS");
      assert(Array.isArray(status) || typeof status === "string");
      assertEquals(await redis.quit(), "OK");
    } finally {
      redis.disconnect();
    }
  }));
