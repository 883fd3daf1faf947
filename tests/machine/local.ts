/**
 * The store without a cluster: a client's words go through the clients' room to one machine, and the reply comes back as the bytes
 * that a client would read.
 *
 * @module
 */
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import type { CommandContext } from "../../internal/clients/command_spec.ts";
import { planOf } from "../../internal/clients/commands.ts";
import { Cursors } from "../../internal/clients/cursors.ts";
import { defaultClientLimits } from "../../internal/clients/limits.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import { ReplyWriter } from "../../internal/codec/resp_reply.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";

export class Local {
  readonly machine = new KeyValueMachine();
  readonly #context: CommandContext = {
    id: 1,
    remote: "test:1",
    name: "",
    resp3: false,
    cursors: new Cursors(1000),
    limits: defaultClientLimits,
    info: () => "",
    status: () => {
      throw new Error("There is no cluster to tell of");
    },
    setReads: () => {},
    ageMs: () => null,
    admin: () => {},
    takeSnapshot: () => {},
    backups: { prepareBackup: () => {}, readBackup: () => {} },
    clientLines: () => [],
    ownLine: () => "",
  };

  /** The reply to a command; each word is a text of one character per byte. */
  ask(words: readonly string[]): Reply {
    const plan = planOf(words.map(bytesOfLatin1), this.#context);
    if (plan.kind === "ask") throw new Error("There is no cluster to ask");
    if (plan.kind !== "submit") return plan.reply;
    const reply = plan.access === "write"
      ? this.machine.apply(plan.command)
      : this.machine.read(plan.command);
    return plan.translate === null ? reply : plan.translate(reply);
  }

  /** The reply in RESP2, a character per byte. */
  answer(words: readonly string[]): string {
    return wire(this.ask(words));
  }
}

export function wire(reply: Reply): string {
  const writer = new ReplyWriter();
  writer.write(reply, false);
  return latin1Of(writer.take());
}

/** Everything that a machine holds: keys in its own order, with their values. */
export function contentsOf(machine: KeyValueMachine): string {
  const keys = machine.read(encodeCommand(Operation.keys, [bytesOfLatin1("*")]));
  if (keys.type !== "array") throw new Error(`KEYS answers ${keys.type}`);
  const names = keys.items.map((item) => item.type === "bulk" ? item.bytes : new Uint8Array(0));
  return `${machine.size()} ${wire(keys)} ${wire(machine.read(encodeCommand(Operation.mget, names)))}`;
}
