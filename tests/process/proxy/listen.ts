/**
 * Listening on a port, or one line that says why not.
 *
 * @module
 */
import { createServer, type Server, type Socket } from "node:net";
import { showAddress } from "../../../cmd/flags.ts";
import { ExitCode, Refusal } from "../../../internal/base/errors.ts";
import type { Address } from "../../../internal/platform/network.ts";

export interface Listening {
  readonly server: Server;
  /** Where it listens; for port 0, which one it became. */
  readonly address: Address;
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EADDRNOTAVAIL: "the address is not one of this machine's",
  // Deno's word for the same.
  EINVAL: "the address is not one of this machine's",
  EACCES: "permission denied",
  ENOTFOUND: "the host name is not known",
};

/**
 * Listens; connections are open at one end as long as their other end likes.
 *
 * @throws {Refusal} with exit code 78
 */
export function listen({ host, port }: Address, onConnection: (socket: Socket) => void): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, onConnection);
    server.on("error", (error) => {
      const code = "code" in error ? String(error.code) : "";
      const reason = REASONS[code] ?? error.message;
      const message = `cannot listen on ${showAddress({ host, port })}: ${reason}`;
      reject(new Refusal(ExitCode.configuration, message, { cause: error }));
    });
    server.listen({ host, port, backlog: 1024 }, () => {
      const bound = server.address();
      const isKnown = bound !== null && typeof bound !== "string";
      resolve({ server, address: { host, port: isKnown ? bound.port : port } });
    });
  });
}

/** Stops listening; connections live on, and are not waited for. */
export function stopListening({ server }: Listening): Promise<void> {
  return new Promise((resolve) => {
    server.close();
    // The port is free from here on; the callback of close() waits for the connections too.
    setTimeout(resolve, 0);
  });
}
