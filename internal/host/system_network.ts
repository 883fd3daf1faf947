/**
 * The network of this machine, by whatever is the shortest way to it on the runtime that runs us.
 *
 * @module
 */
import type { Network } from "../platform/network.ts";
import { BunNetwork } from "./bun_network.ts";
import { bunSockets } from "./bun_sockets.ts";
import { TcpNetwork } from "./tcp_network.ts";

export function systemNetwork(): Network {
  const tcp = new TcpNetwork();
  return bunSockets === null ? tcp : new BunNetwork(bunSockets, tcp);
}
