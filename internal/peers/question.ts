/**
 * Asks who listens at an address: for a server that is to join and does not know the cluster, and for a leader that is to add one.
 *
 * @module
 */
import type { PeerIdentity } from "../codec/handshake.ts";
import { Greeter, type GreeterOptions } from "./greeter.ts";

/** Dials, asks, and tells who it is or why nobody knows; once. */
export function askWho(
  options: Omit<GreeterOptions, "peerId" | "lane" | "frameBytesMax">,
  answered: (answer: PeerIdentity | string) => void,
): void {
  let isAnswered = false;
  const once = (answer: PeerIdentity | string) => {
    if (isAnswered) return;
    isAnswered = true;
    answered(answer);
  };
  const greeter: Greeter = new Greeter({ ...options, peerId: "", lane: "question", frameBytesMax: 1024 }, {
    onWelcome: (identity) => {
      once(identity);
      options.clock.soon(() => greeter.stop());
      return null;
    },
    onBody: () => "more came than an answer",
    onDrain: () => {},
    onClosed: (reason) => once(reason),
  });
}
