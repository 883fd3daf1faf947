/**
 * Kind: unit.
 *
 * Invariant: whoever is dialled at an address that is redirected is reached at the other one; everything else, listening too, is left alone.
 */
import { assertEquals } from "@std/assert";
import { RedirectedNetwork } from "../../internal/host/redirected_network.ts";
import type { Address, Connection, Network } from "../../internal/platform/network.ts";

class Recording implements Network {
  readonly dialled: Address[] = [];
  readonly listened: Address[] = [];

  listen(address: Address) {
    this.listened.push(address);
    return { close: () => {} };
  }

  connect(address: Address): Connection {
    this.dialled.push(address);
    const nothing = () => {};
    return {
      remote: "",
      bytesQueued: 0,
      listen: nothing,
      write: nothing,
      pause: nothing,
      resume: nothing,
      end: nothing,
      close: nothing,
    };
  }
}

Deno.test("only dialling is redirected, and only of what was named, host and port", () => {
  const inner = new Recording();
  const at = (host: string, port: number) => ({ host, port });
  const network = new RedirectedNetwork(inner, [
    { from: at("a", 1), to: at("b", 2) },
    { from: at("b", 2), to: at("c", 3) },
  ]);
  for (const address of [at("a", 1), at("a", 2), at("b", 2), at("b", 1)]) network.connect(address);
  network.listen(at("a", 1), { onListening: () => {}, onError: () => {}, onConnection: () => {} });
  assertEquals(inner.dialled, [at("b", 2), at("a", 2), at("c", 3), at("b", 1)]);
  assertEquals(inner.listened, [at("a", 1)]);
});
