/**
 * Kind: integration (worlds, watched).
 *
 * Invariant: a run that is watched is the run that is not; what was recorded is what was so: each server's state and log at the end, every
 * message, every operation; the page carries all of it, needs nothing from elsewhere, and marks what was false.
 *
 * Learnt: names that two modules of the page have in common end its script before it begins, so each has a scope of its own.
 */
import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { loadCrc32c } from "../../../internal/codec/crc32c.ts";
import { Violation } from "../../invariants/ghost.ts";
import { runSeed, type SeedResult } from "../run_seed.ts";
import { pageOf } from "./page.ts";
import { Recorder } from "./recorder.ts";
import type { Recording } from "./recording.ts";
import { lifeAt, logAt, stateAt, unpack } from "./viewer/model.js";
import { viewerScript } from "./viewer_source.ts";

await loadCrc32c();

async function watched(seed: number, recorder = new Recorder()): Promise<readonly [SeedResult, Recording]> {
  const result = await runSeed(seed, { faultyMs: 4000, observer: recorder });
  return [result, recorder.recording(result, `raftline simulate --seed ${seed}`)];
}

for (const seed of [2, 6, 11]) {
  Deno.test(`seed ${seed}: what was recorded is what was so`, async () => {
    const [result, recording] = await watched(seed);
    assertEquals(result.reason, "");
    const plain = await runSeed(seed, { faultyMs: 4000 });
    assertEquals(recording.traceHash, plain.world.traceHash);
    const { world } = result;
    for (const [place, server] of world.servers.entries()) {
      const recorded = recording.servers[place];
      assert(recorded !== undefined);
      assertEquals(recorded.id, server.id);
      const notUp = recording.notes.filter(({ server: id, text }) =>
        id === server.id && text.startsWith("does not come up")
      );
      const node = server.life?.node ?? null;
      const isComingUp = server.life !== null && node === null;
      assertEquals(recorded.lives.length + notUp.length, server.lives - Number(isComingUp));
      assertEquals(lifeAt(recorded, recording.endedAt) !== null, node !== null);
      if (node === null) continue;
      const view = node.raft.view();
      const state = stateAt(recorded, recording.endedAt);
      assertEquals(
        [state?.role, state?.term, state?.lastIndex, state?.commitIndex, state?.durableIndex],
        [view.role, view.currentTerm, view.lastIndex, view.commitIndex, view.durableIndex],
      );
      const { base, entries } = logAt(recorded, recording.endedAt);
      const { log } = node.raft;
      assertEquals(base + entries.length, log.lastIndex);
      for (let index = Math.max(base, log.snapshotIndex) + 1; index <= log.lastIndex; index++) {
        const entry = recording.entries[entries[index - base - 1] ?? -1];
        assertEquals([entry?.index, entry?.term], [index, log.termAt(index)]);
      }
    }
    assertEquals(recording.operations.length, world.history.operations.length);
    const count = (outcome: string) => recording.operations.filter((one) => one.outcome === outcome).length;
    assertEquals([count("ok"), count("refused"), count("unknown")], [
      world.history.counts.ok,
      world.history.counts.refused,
      world.history.counts.unknown,
    ]);
    assertGreater(recording.messages.filter(({ receivedAt }) => receivedAt !== null).length, 50);
    for (const { at, receivedAt, from, to } of recording.messages) {
      assert(receivedAt === null || receivedAt >= at);
      assert(from !== to);
    }
  });
}

/** Says of the first leader after a while that it broke a promise. */
class Accuser extends Recorder {
  override onStep(...[at, id, view, effects]: Parameters<Recorder["onStep"]>): void {
    super.onStep(at, id, view, effects);
    if (at > 1200 && view.role === "leader") {
      throw new Violation(`I1: ${id} leads </script><b>\nterm ${view.currentTerm}`);
    }
  }
}

Deno.test("a violation is on the page: in its title, in its reason, in its data; and cannot end its script", async () => {
  const [result, recording] = await watched(6, new Accuser());
  assertEquals(result.verdict, "correctness");
  assertMatch(recording.reason.slice(0, 2).join("|"), /^I1: n\d leads <\/script><b>\|term \d+$/);
  // The step that broke it is in the picture.
  const accused = recording.servers.find(({ id }) => recording.reason[0]?.includes(` ${id} `));
  assert(accused !== undefined);
  assertEquals(stateAt(accused, recording.endedAt)?.role, "leader");
  const page = pageOf(recording);
  assertStringIncludes(page, "violation</span>Seed 6: I1: ");
  assertStringIncludes(page, "leads &lt;/script&gt;&lt;b&gt;");
  assertStringIncludes(page, "raftline simulate --seed 6");
  assertEquals(page.match(/<\/script>/g)?.length, 2);
  const data = /<script type="application\/json" id="data">(.*)<\/script>/.exec(page)?.[1] ?? "";
  const seen = unpack(JSON.parse(data));
  assert(seen !== null && typeof seen === "object" && "reason" in seen);
  assertEquals(seen.reason, recording.reason);
});

Deno.test("the page needs nothing from elsewhere, and its script can be read", async () => {
  const [, recording] = await watched(2);
  const page = pageOf(recording);
  assertEquals(page.match(/(?:src|href)=|@import|url\(|https?:/g), null);
  assertEquals(viewerScript.match(/^\s*(?:import|export)\b/gm), null);
  // Throws where it is no script.
  assertEquals(typeof new Function(viewerScript), "function");
  // Every element that the script asks for is there.
  for (const [, id] of viewerScript.matchAll(/(?:must|canvas)\("([\w-]+)"\)/g)) {
    assertStringIncludes(page, `id="${id}"`);
  }
});
