/**
 * Kind: integration (real processes).
 *
 * Invariant: what rows C1 to C8 of the fault model promise, one by one: bytes are data, whatever they are; what is not whole does nothing; answers
 * come in order however much is asked at once, and a client that reads them is served however long they are; who comes too late is told so;
 * and a name, or an answer, of any client harms no link between servers.
 *
 * Learnt: ten reads of seven megabytes, asked at once through a follower, made a frame that no server takes.
 */
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { type Answer, ErrorAnswer, TestClient } from "./client.ts";
import { onCluster, pause } from "./cluster.ts";
import { type Cluster, compiled, eventually, missingBinary, type Program } from "./harness.ts";
import { dial } from "./plain_sockets.ts";
import { sideBySide, type Step, unsanitized } from "./side_by_side.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/client_rows_test.ts: ${skipped}`);
const three: readonly Program[] = [compiled, compiled, compiled];

async function onClients(
  body: (cluster: Cluster, leader: TestClient, follower: TestClient) => Promise<void>,
) {
  await onCluster(three, async (cluster) => {
    const leaderId = await cluster.leader();
    const other = cluster.plans.find(({ id }) => id !== leaderId)?.id ?? "";
    const clients = [await cluster.clientWhenUp(leaderId), await cluster.clientWhenUp(other)] as const;
    try {
      await eventually("it serves", 10_000, async () => await clients[1].send("SET", "k", "v") === "OK");
      await body(cluster, ...clients);
    } finally {
      for (const client of clients) client.close();
    }
  }, { profile: "wan" });
}

function textOf(answer: Answer): string {
  return answer instanceof ErrorAnswer ? answer.text : String(answer);
}

/** No server lost a link to another one. */
function assertLinksStand(cluster: Cluster): void {
  for (const [id, { stderr }] of cluster.running) {
    assert(!/frame length is|contradicts/.test(stderr), `${id}: ${stderr}`);
  }
}

const steps: readonly Step[] = [
  {
    name:
      "C1, C7: long answers to a long pipeline are all given to whoever reads them, by the leader and by a follower",
    fn: () =>
      onClients(async (cluster, leader, follower) => {
        const value = "x".repeat(7_000_000);
        for (const key of ["a", "b"]) {
          assertEquals(await leader.within(20_000, leader.send("SET", key, value)), "OK");
        }
        for (const client of [leader, follower]) {
          const asked = Array.from({ length: 10 }, () => client.send("GET", "a"));
          const lengths = (await client.within(60_000, Promise.all(asked))).map((answer) =>
            textOf(answer).length
          );
          assertEquals(lengths, new Array(10).fill(value.length));
          const both = await client.within(20_000, client.send("MGET", "a", "b"));
          assertMatch(textOf(both), /^ERR the answer would have 14\d+ bytes, the limit is 12582912/);
          const part = await client.within(20_000, client.send("GETRANGE", "a", "0", "99"));
          assertEquals(textOf(part).length, 100);
        }
        assertLinksStand(cluster);
      }),
  },
  {
    name: "C2: keys and values of any bytes come back as they went, and nothing of them passes for a reply",
    fn: () =>
      onClients(async (_, leader, follower) => {
        const odd = [
          "a\r\n+OK\r\n",
          "\0",
          "$-1\r\n",
          "-ERR no\r\n",
          "*1\r\n$4\r\nPING\r\n",
          " ",
          "\u{1F600}",
          "'\"\\",
        ];
        for (const [i, text] of odd.entries()) {
          assertEquals(await leader.send("SET", `${text}${i}`, text), "OK");
          assertEquals(await follower.send("GET", `${text}${i}`), text);
        }
        for (const text of odd) {
          const error = await leader.send(`${text}NOSUCH`, text);
          assertMatch(textOf(error), /^ERR unknown command/);
          assert(!/[\r\n]/.test(textOf(error)));
        }
        assertEquals(await leader.send("PING"), "PONG");
      }),
  },
  {
    name:
      "C4: twenty thousand commands at once are answered in their order, and another client is served meanwhile",
    fn: () =>
      onClients(async (cluster, leader) => {
        const other = await cluster.client(await cluster.leader());
        let isOver = false;
        let served = 0;
        const meanwhile = (async () => {
          for (; !isOver; served++) {
            assertEquals(await other.within(10_000, other.send("SET", "other", "v")), "OK");
          }
        })();
        const asked = Array.from({ length: 20_000 }, (_, i) =>
          i % 1000 === 0 ? leader.send("INCR", "n") : leader.send("ECHO", `${i}`));
        const answers = await leader.within(60_000, Promise.all(asked));
        isOver = true;
        await meanwhile;
        other.close();
        const wrong = answers.flatMap((answer, i) =>
          String(answer) === String(i % 1000 === 0 ? i / 1000 + 1 : i) ? [] : [i]
        );
        assertEquals(wrong, []);
        assertGreater(served, 0);
      }),
  },
  {
    name: "C5: a command of which the end is missing does nothing, wherever it was cut",
    fn: () =>
      onClients(async (cluster, leader) => {
        const { clientPort } = cluster.plan("n1");
        const whole = "*3\r\n$3\r\nSET\r\n$3\r\ncut\r\n$5\r\nvalue\r\n";
        for (let length = 1; length < whole.length; length += 3) {
          const end = await dial(clientPort);
          end.write(whole.slice(0, length));
          await pause(5);
          if (length % 2 === 0) end.socket.end();
          else end.socket.resetAndDestroy();
          end.socket.destroy();
        }
        await pause(300);
        assertEquals(await leader.send("GET", "cut"), null);
      }),
  },
  {
    name: "C8: one client too many is told so and let go, and a place that becomes free is given again",
    fn: async () => {
      const few: Program = {
        ...compiled,
        command: "sh",
        args: ["-c", 'exec "$0" "$@" --clients-max 20', compiled.command],
      };
      await onCluster([few], async (cluster) => {
        const { clientPort } = cluster.plan("n1");
        // Whoever asked for the leader may still be on its way out, and would count.
        await pause(500);
        const ends = await Promise.all(Array.from({ length: 20 }, () => dial(clientPort)));
        await pause(200);
        const late = await dial(clientPort);
        await late.got(10);
        assertMatch(late.text, /^-ERR max number of clients reached\r\n$/);
        await eventually("it is let go", 3000, () => Promise.resolve(late.hasEnded));
        late.socket.destroy();
        for (const end of ends.slice(0, 5)) end.socket.destroy();
        await eventually("a place is free", 3000, async () => {
          const client = await TestClient.connect(clientPort);
          try {
            return await client.within(1000, client.send("PING")) === "PONG";
          } finally {
            client.close();
          }
        });
        for (const end of ends) end.socket.destroy();
      });
    },
  },
];

Deno.test({
  name: "rows of the fault model: clients",
  ignore: skipped !== null,
  ...unsanitized,
  fn: (test) => sideBySide(test, 2, steps),
});
