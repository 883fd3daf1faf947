/**
 * How a server that is to join learns of which cluster it will be.
 *
 * Keeps true: it waits until somebody answers, and says every few seconds that it does; two servers that answer for two clusters are
 * never mixed, since the first answer counts and every greeting names it.
 *
 * @module
 */
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import type { PeerIdentity } from "../internal/codec/handshake.ts";
import { askWho } from "../internal/peers/question.ts";
import type { Address, Network } from "../internal/platform/network.ts";
import type { Clock } from "../internal/platform/clock.ts";
import type { Trace } from "../internal/platform/trace.ts";
import { showAddress } from "./flags.ts";

const RETRY_MS = 500;
const SAY_EVERY = 10;

export interface JoiningOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly handshakeMs: number;
  readonly serverId: string;
  /** Peer addresses of servers that are members, tried in turn. */
  readonly addresses: readonly Address[];
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

/**
 * Asks the addresses in turn, until one answers, which cluster it is of.
 *
 * @throws {Refusal} with exit code 78 where the one that answers is the asker's namesake
 * @throws whatever the signal was aborted with
 */
export async function clusterToJoin(options: JoiningOptions): Promise<string> {
  const { addresses, signal, trace, serverId } = options;
  for (let round = 0;; round++) {
    signal.throwIfAborted();
    const reasons: string[] = [];
    for (const address of addresses) {
      const who = await ask(options, address);
      if (typeof who === "string") reasons.push(`${showAddress(address)}: ${who}`);
      else if (who.serverId === serverId) {
        throw new Refusal(
          ExitCode.configuration,
          `--join ${showAddress(address)} is a server ${serverId} already: give this one another --id`,
        );
      } else return who.clusterId;
    }
    if (round % SAY_EVERY === 0) {
      trace.event("warn", "waits for a cluster to join", { reason: reasons.join("; ") });
    }
    await pause(RETRY_MS, signal);
  }
}

function ask(
  { network, clock, handshakeMs, serverId }: JoiningOptions,
  address: Address,
): Promise<PeerIdentity | string> {
  const self = { clusterId: "", serverId, incarnation: "", peerAddress: "", clientAddress: "" };
  return new Promise((resolve) => askWho({ network, clock, handshakeMs, self, address }, resolve));
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
