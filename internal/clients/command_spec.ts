/**
 * What a command is to this room, and what it may see of the connection it came on.
 *
 * @module
 */
import type { Operation } from "../codec/command.ts";
import type { Reply } from "../codec/reply.ts";
import type { Backend, NodeStatus, ReadMode } from "./backend.ts";
import type { Cursors } from "./cursors.ts";
import type { ClientLimits } from "./limits.ts";

/** What a command becomes. */
export type Plan =
  /** Answered here. */
  | { readonly kind: "answer"; readonly reply: Reply }
  /** Handed to the cluster; `translate` changes its answer on the way out. */
  | {
    readonly kind: "submit";
    readonly access: "read" | "write";
    readonly command: Uint8Array;
    readonly translate: ((reply: Reply) => Reply) | null;
    /** How fresh a read has to be; that of the connection where it is left out. */
    readonly reads?: ReadMode;
  }
  /** Asked of the server; the answer comes in time. */
  | { readonly kind: "ask"; ask(answer: (reply: Reply) => void): void }
  /** Answered, then the connection closes. */
  | { readonly kind: "close"; readonly reply: Reply };

/** The connection that a command came on, and the server behind it. */
export interface CommandContext {
  readonly id: number;
  readonly remote: string;
  name: string;
  resp3: boolean;
  readonly cursors: Cursors;
  readonly limits: ClientLimits;
  info(sections: readonly string[]): string;
  status(): NodeStatus;
  /** How fresh the reads of this connection have to be from now on. */
  setReads(mode: ReadMode): void;
  /** For how long this server's state may lack what was acknowledged, in milliseconds. */
  ageMs(): number | null;
  /** Does what an operator asks of the cluster. */
  admin(words: readonly string[], answer: (reply: Reply) => void): void;
  takeSnapshot(answer: (reply: Reply) => void): void;
  /** The snapshots of this server, for backups. */
  readonly backups: Pick<Backend, "prepareBackup" | "readBackup">;
  /** One line per connection, as CLIENT LIST shows them. */
  clientLines(): readonly string[];
  ownLine(): string;
}

/** A command that goes to the store with its arguments as they are, and whose answer comes back as it is. */
export interface DirectCommand {
  readonly access: "read" | "write";
  readonly operation: Operation;
  /** Empty arguments behind those that the client gave. */
  readonly emptyArguments: number;
  /** How many words it has then, the name included; 0 where its arity says all there is to say. */
  readonly words: number;
}

export interface CommandSpec {
  /** In lower case. */
  readonly name: string;
  /** As in Redis: how many words, the name included; negative for "at least". */
  readonly arity: number;
  readonly access: "read" | "write" | "local";
  /** Where keys stand among the words: first, last, step; zeros for none. */
  readonly keys: readonly [first: number, last: number, step: number];
  /** Where it can be handed over without a plan. */
  readonly direct: DirectCommand | null;
  plan(args: readonly Uint8Array[], context: CommandContext): Plan;
}
