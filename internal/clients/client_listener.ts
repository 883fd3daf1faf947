/**
 * The port for clients: accepts them, up to a limit, and knows who is there.
 *
 * @module
 */
import { CommandPacker } from "../codec/command_batch.ts";
import { ReplyMemory } from "../codec/reply_memory.ts";
import type { Clock, Millis } from "../platform/clock.ts";
import type { Address, Connection, Listener, Network } from "../platform/network.ts";
import type { Trace } from "../platform/trace.ts";
import type { Backend } from "./backend.ts";
import { ClientConnection, type ConnectionHome } from "./client_connection.ts";
import { Cursors } from "./cursors.ts";
import { type ClientCounts, infoText, type ProcessInfo } from "./info.ts";
import { HalfSent } from "./half_sent.ts";
import type { ClientLimits } from "./limits.ts";
import { Pace } from "./pace.ts";

export interface ClientListenerOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly backend: Backend;
  readonly limits: ClientLimits;
  readonly host: ProcessInfo;
}

export interface ClientListenerEvents {
  onListening(address: Address): void;
  onListenError(error: Error): void;
}

export class ClientListener {
  readonly #options: ClientListenerOptions;
  readonly #home: ConnectionHome;
  readonly #connections = new Set<ClientConnection>();
  readonly #counts: ClientCounts = {
    connected: 0,
    connectionsReceived: 0,
    connectionsRefused: 0,
    commandsProcessed: 0,
  };
  readonly #startedAt: Millis;
  #listener: Listener | null = null;
  #nextId = 0;
  /** Whom to tell that nobody is connected any more, once we stop. */
  #onGone: (() => void) | null = null;

  constructor(options: ClientListenerOptions) {
    this.#options = options;
    const { clock, backend, limits, trace } = options;
    this.#startedAt = clock.now();
    this.#home = {
      clock,
      backend,
      limits,
      cursors: new Cursors(limits.cursorsMax),
      packer: new CommandPacker(),
      memory: new ReplyMemory(),
      halfSent: new HalfSent(clock, trace, limits),
      pace: new Pace(clock),
      info: (sections) => this.#info(sections),
      clientLines: () => [...this.#connections].map((connection) => connection.ownLine()),
      counted: (commands) => this.#counts.commandsProcessed += commands,
      closed: (connection) => {
        this.#connections.delete(connection);
        this.#counts.connected = this.#connections.size;
        this.#tellIfGone();
      },
    };
  }

  start(address: Address, events: ClientListenerEvents): void {
    this.#listener = this.#options.network.listen(address, {
      onListening: (bound) => events.onListening(bound),
      onError: (error) => events.onListenError(error),
      onConnection: (connection) => this.#accept(connection),
    });
  }

  /** Accepts nobody any more. */
  stopAccepting(): void {
    this.#listener?.close();
  }

  /** Whether no client is connected. */
  get isIdle(): boolean {
    return this.#connections.size === 0;
  }

  /** Ends every connection behind what it was answered; calls back once, when all of them are gone. */
  stop(onGone: () => void): void {
    this.stopAccepting();
    this.#onGone = onGone;
    for (const connection of [...this.#connections]) connection.stop();
    this.#tellIfGone();
  }

  #tellIfGone(): void {
    if (this.#connections.size > 0) return;
    const onGone = this.#onGone;
    this.#onGone = null;
    onGone?.();
  }

  #accept(connection: Connection): void {
    const { clientsMax } = this.#options.limits;
    this.#counts.connectionsReceived++;
    const client = new ClientConnection(++this.#nextId, connection, this.#home);
    if (this.#connections.size >= clientsMax) {
      this.#counts.connectionsRefused++;
      this.#options.trace.event("warn", "refused a client", {
        reason: `${clientsMax} clients are connected`,
      });
      return client.refuse("ERR max number of clients reached");
    }
    this.#connections.add(client);
    this.#counts.connected = this.#connections.size;
  }

  #info(sections: readonly string[]): string {
    const { backend, clock, host } = this.#options;
    const uptimeSeconds = Math.floor((clock.now() - this.#startedAt) / 1000);
    return infoText({ status: backend.status(), host, counts: this.#counts, uptimeSeconds }, sections);
  }
}
