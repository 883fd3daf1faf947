/**
 * A network that dials other addresses than it is told: through a forwarded port, a proxy, another interface.
 *
 * Keeps true: who somebody is stays a question of the greeting, not of the address; only dialling changes, listening does not.
 *
 * @module
 */
import type { Address, Connection, Listener, ListenerEvents, Network } from "../platform/network.ts";

/** From what is meant to what is dialled. */
export interface Redirection {
  readonly from: Address;
  readonly to: Address;
}

export class RedirectedNetwork implements Network {
  readonly #network: Network;
  readonly #redirections: readonly Redirection[];

  constructor(network: Network, redirections: readonly Redirection[]) {
    this.#network = network;
    this.#redirections = redirections;
  }

  listen(address: Address, events: ListenerEvents): Listener {
    return this.#network.listen(address, events);
  }

  connect(address: Address): Connection {
    const redirection = this.#redirections.find(({ from }) =>
      from.host === address.host && from.port === address.port
    );
    return this.#network.connect(redirection?.to ?? address);
  }
}
