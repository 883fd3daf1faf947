/**
 * What one step of the core costs: on a leader of three for a request, for an answer, for its disk; on a follower for an append.
 *
 * @module
 */
import { SeededRandom } from "../internal/base/random.ts";
import type { Effect } from "../internal/raft/effect.ts";
import type { Input } from "../internal/raft/input.ts";
import type { Message } from "../internal/raft/message.ts";
import { Raft } from "../internal/raft/raft.ts";
import { defaultSettings } from "../internal/raft/state.ts";
import { birth } from "../tests/scenarios/stage.ts";
import { bench } from "./harness.ts";

const PAYLOAD = new Uint8Array(280 * 40);
const IDS = ["n1", "n2", "n3"];

/** Three cores whose messages and writes are delivered at once. */
class Trio {
  readonly cores = new Map<string, Raft>();
  now = 0;
  requestId = 0;

  constructor() {
    for (const id of IDS) {
      this.cores.set(
        id,
        new Raft({
          id,
          settings: defaultSettings,
          recovered: { hardState: { currentTerm: 0, votedFor: null }, ...birth(IDS) },
          random: new SeededRandom(id),
          now: 0,
        }),
      );
    }
    while (this.core("n1").view().role !== "leader") {
      this.now += 500;
      this.give("n1", { kind: "tick" });
    }
  }

  core(id: string): Raft {
    const core = this.cores.get(id);
    if (core === undefined) throw new Error(`there is no ${id}`);
    return core;
  }

  /** One input, and everything that follows from it. */
  give(to: string, input: Input): void {
    const waiting: { readonly to: string; readonly input: Input }[] = [{ to, input }];
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { to: id } = next;
      const effects = this.core(id).step(this.now, next.input);
      let stable = 0;
      for (const effect of effects) if (effect.kind === "write") stable = effect.number;
      if (stable > 0) waiting.push({ to: id, input: { kind: "stable", upTo: stable } });
      for (const { to: peer, message } of sendsOf(effects)) {
        waiting.push({ to: peer, input: { kind: "message", from: id, message } });
      }
    }
  }
}

function sendsOf(effects: readonly Effect[]): { readonly to: string; readonly message: Message }[] {
  return effects.flatMap((effect) => effect.kind === "send" ? [effect] : []);
}

const trio = new Trio();

bench("core", [
  {
    name: "a write on three servers, until all know it: 8 steps or so",
    run: () => trio.give("n1", { kind: "clientRequest", requestId: ++trio.requestId, payloads: [PAYLOAD] }),
  },
  {
    name: "a round of reads on three servers: 5 steps",
    run: () => trio.give("n1", { kind: "readRequest", requestId: ++trio.requestId, lease: false }),
  },
  { name: "a tick that comes early", run: () => trio.give("n1", { kind: "tick" }) },
]);
