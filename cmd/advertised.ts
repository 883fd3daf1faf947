/**
 * Where others are told that they reach this server.
 *
 * Keeps true: what is told is what the operator said, or else where the server really listens: a port that the system chose is told
 * once it is known, and an address that means every interface is told as the host's name.
 *
 * @module
 */
import { hostname } from "node:os";
import type { Address } from "../internal/platform/network.ts";
import { showAddress } from "./flags.ts";

const WILDCARDS: readonly string[] = ["0.0.0.0", "::", "*"];

export class Advertised {
  #address: Address;

  constructor(listenAt: Address, told: Address | null) {
    this.#address = told ?? {
      host: WILDCARDS.includes(listenAt.host) ? hostname() : listenAt.host,
      port: listenAt.port,
    };
  }

  /** The server listens there. */
  bound({ port }: Address): void {
    if (this.#address.port === 0) this.#address = { ...this.#address, port };
  }

  /** As `host:port`; empty while the port is not known. */
  get text(): string {
    return this.#address.port === 0 ? "" : showAddress(this.#address);
  }
}
