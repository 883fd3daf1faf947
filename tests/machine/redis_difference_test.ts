/**
 * Kind: property (against a real `redis-server`).
 *
 * Invariant: the same commands in the same order get the same bytes in reply as from Redis, errors included, and leave the same keys with
 * the same values.
 *
 * Learnt: the differences that are meant. KEYS comes in the order of the keys here, in no order there. Keys do not expire here, so
 * SET refuses EX and its like. An empty key matches `**` here, and there only `*`. Ranges of bytes above 127 in a pattern are by
 * the byte here, and by signed char there. None of these is drawn.
 */
import { assertEquals } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { Local } from "./local.ts";
import { randomCommand } from "./commands.ts";
import { missingRedis, Redis } from "./redis.ts";
import { type Heard, readReply } from "./resp.ts";

const SEQUENCES = 40;
const COMMANDS = 250;

const missing = missingRedis();
if (missing !== null) console.log(`skipped: the comparison with Redis: ${missing}`);

/** A reply as it is compared: the bytes, and where the order means nothing, sorted. */
function comparable(words: readonly string[], reply: string): string {
  const heard = readReply(reply, 0)?.heard;
  if (words[0]?.toUpperCase() !== "KEYS" || heard?.type !== "array") return reply;
  return JSON.stringify(heard.items.map((item: Heard) => item.type === "array" ? "" : item.text).sort());
}

async function compare(
  redis: Redis,
  local: Local,
  commands: readonly string[][],
  where: string,
): Promise<void> {
  const replies = await redis.ask(commands);
  for (const [i, words] of commands.entries()) {
    assertEquals(
      comparable(words, local.answer(words)),
      comparable(words, replies[i] ?? ""),
      `${where}, command ${i}: ${JSON.stringify(words)}`,
    );
  }
}

Deno.test({
  name: "random commands are answered as Redis answers them",
  ignore: missing !== null,
  fn: async () => {
    const redis = await Redis.start();
    try {
      for (let sequence = 0; sequence < SEQUENCES; sequence++) {
        const random = new SeededRandom(`redis/${sequence}`);
        const local = new Local();
        await redis.ask([["FLUSHALL"]]);
        const commands = Array.from({ length: COMMANDS }, () => randomCommand(random));
        await compare(redis, local, commands, `seed redis/${sequence}`);
        const [keys] = await redis.ask([["KEYS", "*"]]);
        const heard = readReply(keys ?? "", 0)?.heard;
        const names = heard?.type === "array"
          ? heard.items.map((item) => item.type === "array" ? "" : item.text)
          : [];
        const mget = names.length === 0 ? [] : [["MGET", ...names]];
        await compare(
          redis,
          local,
          [["DBSIZE"], ["KEYS", "*"], ...mget],
          `the end of seed redis/${sequence}`,
        );
      }
    } finally {
      await redis.stop();
    }
  },
});
