/**
 * Kind: unit and property.
 *
 * Invariant: a frame is what its message is encoded to, whatever was encoded before; messages that say the same share one.
 *
 * Learnt: followers that are equally far get the same message in the same step, so a leader's encoding is the cost of one.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeFrame } from "../../internal/codec/frame.ts";
import { encodeMessage, type WireMessage } from "../../internal/codec/message_codec.ts";
import { FrameMaker } from "../../internal/peers/frame_maker.ts";
import type { AppendEntriesRequest } from "../../internal/raft/message.ts";
import type { Entry } from "../../internal/raft/types.ts";
import { messageMakers } from "../codec/makers.ts";

await loadCrc32c();

Deno.test("random messages, again and again and each a little changed, are framed as if there were no memory", () => {
  const random = new SeededRandom("frames");
  const makers = Object.values(messageMakers);
  const maker = new FrameMaker();
  let message: WireMessage = messageMakers.appendEntriesRequest(random);
  const other = messageMakers.appendEntriesRequest(random);
  for (let i = 0; i < 3000; i++) {
    if (random.chance(1, 8)) message = (makers[random.below(makers.length)] ?? messageMakers.ping)(random);
    else if (message.kind === "appendEntriesRequest" && random.chance(2, 3)) {
      const fields = ["term", "prevLogIndex", "prevLogTerm", "leaderCommit", "round", "epoch"] as const;
      const field = fields[random.below(fields.length)] ?? "term";
      const entries: readonly Entry[] = random.chance(1, 2) ? message.entries : other.entries;
      message = random.chance(1, 3)
        ? { ...message, entries: entries.slice(0, random.below(entries.length + 1)) }
        : { ...message, [field]: random.below(1000) };
    }
    assertEquals(maker.frameOf(message), encodeFrame(encodeMessage(message)));
  }
});

Deno.test("the same words to two followers are encoded once, with entries and without", () => {
  const random = new SeededRandom("twice");
  const maker = new FrameMaker();
  let withEntries = 0;
  for (let i = 0; i < 100; i++) {
    const message: AppendEntriesRequest = messageMakers.appendEntriesRequest(random);
    const again: AppendEntriesRequest = { ...message, entries: [...message.entries] };
    assertStrictEquals(maker.frameOf(again), maker.frameOf(message));
    withEntries += message.entries.length > 0 ? 1 : 0;
  }
  assert(withEntries > 10 && withEntries < 100);
});
