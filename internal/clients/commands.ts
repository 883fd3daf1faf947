/**
 * The commands: their names, their shapes, and what each becomes.
 *
 * Everything that can be refused is refused here, before anything is replicated: applying a command never looks at a setting (X10).
 *
 * Source: the Redis command reference, for names, arguments, replies and error texts.
 *
 * @module
 */
import { latin1Of } from "../base/latin1.ts";
import { errorReply, OK, type Reply } from "../codec/reply.ts";
import { encodeCommand, Operation, type WordPlaces } from "../codec/command.ts";
import { readonlyCommand, staleCommand } from "./read_commands.ts";
import { CommandNames } from "./command_names.ts";
import {
  clientCommand,
  commandCommand,
  configCommand,
  helloCommand,
  raftCommand,
} from "./server_commands.ts";
import type { CommandContext, CommandSpec, DirectCommand, Plan } from "./command_spec.ts";

/** Looks a command up and says what it becomes. `words` has at least the name. */
export function planOf(words: readonly Uint8Array[], context: CommandContext): Plan {
  const [name = NOTHING] = words;
  const spec = NAMES.find(name, 0, name.length);
  if (spec === undefined) return answer(unknownCommand(words));
  if (!fits(spec, words.length)) {
    return answer(errorReply(`ERR wrong number of arguments for '${spec.name}' command`));
  }
  return spec.plan(words.slice(1), context);
}

/** What a command is that can be handed over as it stands there; `null` where it must be planned. */
export function directCommand({ bytes, bounds }: WordPlaces, words: number): DirectCommand | null {
  const spec = NAMES.find(bytes, bounds[0] ?? 0, bounds[1] ?? 0);
  const direct = spec?.direct ?? null;
  if (spec === undefined || direct === null || !fits(spec, words)) return null;
  return direct.words === 0 || direct.words === words ? direct : null;
}

function fits({ arity }: CommandSpec, words: number): boolean {
  return arity >= 0 ? words === arity : words >= -arity;
}

/** As Redis words it, with what the client said cut short and made printable. */
function unknownCommand(words: readonly Uint8Array[]): Reply {
  const printable = (word: Uint8Array) => latin1Of(word.subarray(0, 128)).replaceAll(/[^\x20-\x7e]/g, "?");
  const [name, ...args] = words.slice(0, 21).map(printable);
  return errorReply(
    `ERR unknown command '${name ?? ""}', with args beginning with: ${
      args.map((arg) => `'${arg}' `).join("")
    }`,
  );
}

function answer(reply: Reply): Plan {
  return { kind: "answer", reply };
}

const NOTHING = new Uint8Array(0);
const SYNTAX_ERROR = answer(errorReply("ERR syntax error"));
const NOT_AN_INTEGER = answer(errorReply("ERR value is not an integer or out of range"));

function write(
  operation: Operation,
  args: readonly Uint8Array[],
  translate: ((reply: Reply) => Reply) | null = null,
): Plan {
  return { kind: "submit", access: "write", command: encodeCommand(operation, args), translate };
}

function read(
  operation: Operation,
  args: readonly Uint8Array[],
  translate: ((reply: Reply) => Reply) | null = null,
): Plan {
  return { kind: "submit", access: "read", command: encodeCommand(operation, args), translate };
}

/** A command that goes to the store with its arguments as they are. */
function direct(
  name: string,
  arity: number,
  access: "read" | "write",
  operation: Operation,
  keys: readonly [first: number, last: number, step: number] = [1, 1, 1],
): CommandSpec {
  return {
    name,
    arity,
    access,
    keys,
    direct: { access, operation, emptyArguments: 0, words: 0 },
    plan: (args) => access === "read" ? read(operation, args) : write(operation, args),
  };
}

function special(
  name: string,
  arity: number,
  access: CommandSpec["access"],
  keys: readonly [first: number, last: number, step: number],
  plan: CommandSpec["plan"],
  direct: DirectCommand | null = null,
): CommandSpec {
  return { name, arity, access, keys, direct, plan };
}

const NO_KEYS = [0, 0, 0] as const;
const ONE_KEY = [1, 1, 1] as const;
const ALL_KEYS = [1, -1, 1] as const;

const SPECS: readonly CommandSpec[] = [
  direct("get", 2, "read", Operation.get),
  direct("strlen", 2, "read", Operation.strlen),
  direct("exists", -2, "read", Operation.exists, ALL_KEYS),
  direct("mget", -2, "read", Operation.mget, ALL_KEYS),
  direct("dbsize", 1, "read", Operation.dbsize, NO_KEYS),
  direct("keys", 2, "read", Operation.keys, NO_KEYS),
  direct("getrange", 4, "read", Operation.getrange),
  direct("substr", 4, "read", Operation.getrange),
  direct("del", -2, "write", Operation.del, ALL_KEYS),
  direct("unlink", -2, "write", Operation.del, ALL_KEYS),
  direct("setnx", 3, "write", Operation.setnx),
  direct("getdel", 2, "write", Operation.getdel),
  direct("append", 3, "write", Operation.append),
  special("set", -3, "write", ONE_KEY, planSet, {
    access: "write",
    operation: Operation.set,
    emptyArguments: 1,
    words: 3,
  }),
  special("getset", 3, "write", ONE_KEY, (args) => write(Operation.set, [...args, ascii("G")])),
  special(
    "mset",
    -3,
    "write",
    [1, -1, 2],
    (args) =>
      args.length % 2 === 0
        ? write(Operation.mset, args)
        : answer(errorReply("ERR wrong number of arguments for 'mset' command")),
  ),
  special("incr", 2, "write", ONE_KEY, (args) => write(Operation.incrBy, [...args, ascii("1")])),
  special("decr", 2, "write", ONE_KEY, (args) => write(Operation.incrBy, [...args, ascii("-1")])),
  special("incrby", 3, "write", ONE_KEY, (args) => planIncrBy(args, false)),
  special("decrby", 3, "write", ONE_KEY, (args) => planIncrBy(args, true)),
  special("flushdb", -1, "write", NO_KEYS, planFlush),
  special("flushall", -1, "write", NO_KEYS, planFlush),
  special("scan", -2, "read", NO_KEYS, planScan),
  special(
    "type",
    2,
    "read",
    ONE_KEY,
    (args) =>
      read(
        Operation.exists,
        args,
        (reply) => isOne(reply, { type: "simple", text: "string" }, { type: "simple", text: "none" }),
      ),
  ),
  special("ttl", 2, "read", ONE_KEY, planTtl),
  special("pttl", 2, "read", ONE_KEY, planTtl),
  special("ping", -1, "local", NO_KEYS, ([message, more]) => {
    if (more !== undefined) return answer(errorReply("ERR wrong number of arguments for 'ping' command"));
    return answer(
      message === undefined ? { type: "simple", text: "PONG" } : { type: "bulk", bytes: message },
    );
  }),
  special("echo", 2, "local", NO_KEYS, ([message]) => answer({ type: "bulk", bytes: message ?? NOTHING })),
  special("quit", -1, "local", NO_KEYS, () => ({ kind: "close", reply: OK })),
  special("select", 2, "local", NO_KEYS, ([index]) => {
    const text = latin1Of(index ?? NOTHING);
    if (!/^-?\d{1,10}$/.test(text)) return answer(errorReply("ERR value is not an integer or out of range"));
    return answer(text === "0" ? OK : errorReply("ERR DB index is out of range"));
  }),
  special(
    "auth",
    -2,
    "local",
    NO_KEYS,
    () =>
      answer(
        errorReply(
          "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
        ),
      ),
  ),
  special(
    "info",
    -1,
    "local",
    NO_KEYS,
    (args, context) => answer(text(context.info(args.map((arg) => latin1Of(arg).toLowerCase())))),
  ),
  special("readonly", -1, "local", NO_KEYS, readonlyCommand),
  special("readwrite", 1, "local", NO_KEYS, (_, context) => {
    context.setReads({ kind: "leader" });
    return answer(OK);
  }),
  special("stale", -3, "read", NO_KEYS, (args, context) => staleCommand(args, context, planOf)),
  special("hello", -1, "local", NO_KEYS, helloCommand),
  special("reset", 1, "local", NO_KEYS, (_, context) => {
    context.setReads({ kind: "leader" });
    context.resp3 = false;
    context.name = "";
    return answer({ type: "simple", text: "RESET" });
  }),
  special("client", -2, "local", NO_KEYS, clientCommand),
  special("config", -2, "local", NO_KEYS, configCommand),
  special("command", -1, "local", NO_KEYS, (args) => commandCommand(args, COMMANDS)),
  special("raft", -2, "local", NO_KEYS, raftCommand),
];

const COMMANDS: ReadonlyMap<string, CommandSpec> = new Map(SPECS.map((spec) => [spec.name, spec]));
const NAMES = new CommandNames(SPECS);

function ascii(word: string): Uint8Array {
  return new TextEncoder().encode(word);
}

function text(content: string): Reply {
  return { type: "bulk", bytes: new TextEncoder().encode(content) };
}

function isOne(reply: Reply, yes: Reply, no: Reply): Reply {
  if (reply.type !== "integer") return reply;
  return BigInt(reply.value) === 1n ? yes : no;
}

function planSet(args: readonly Uint8Array[]): Plan {
  const [key, value, ...options] = args;
  if (key === undefined || value === undefined) return SYNTAX_ERROR;
  if (options.length === 0) return write(Operation.set, [key, value, NOTHING]);
  let flags = "";
  for (const option of options) {
    const word = latin1Of(option).toUpperCase();
    if (["EX", "PX", "EXAT", "PXAT", "KEEPTTL"].includes(word)) {
      return answer(errorReply(`ERR SET option ${word} is not supported: keys do not expire here`));
    }
    const flag = word === "NX" ? "N" : word === "XX" ? "X" : word === "GET" ? "G" : null;
    if (flag === null) return SYNTAX_ERROR;
    if (!flags.includes(flag)) flags += flag;
  }
  if (flags.includes("N") && flags.includes("X")) return SYNTAX_ERROR;
  return write(Operation.set, [key, value, ascii(flags)]);
}

const INT64_MIN = "-9223372036854775808";

function planIncrBy([key, amount]: readonly Uint8Array[], negated: boolean): Plan {
  if (key === undefined || amount === undefined) return SYNTAX_ERROR;
  const word = latin1Of(amount);
  if (!/^(0|-?[1-9]\d{0,18})$/.test(word)) return NOT_AN_INTEGER;
  const value = BigInt(word);
  if (BigInt.asIntN(64, value) !== value) return NOT_AN_INTEGER;
  if (!negated) return write(Operation.incrBy, [key, amount]);
  if (word === INT64_MIN) return answer(errorReply("ERR decrement would overflow"));
  return write(Operation.incrBy, [key, ascii(String(-value))]);
}

function planFlush(args: readonly Uint8Array[]): Plan {
  const [mode, more] = args.map((arg) => latin1Of(arg).toUpperCase());
  if (more !== undefined || (mode !== undefined && mode !== "SYNC" && mode !== "ASYNC")) return SYNTAX_ERROR;
  return write(Operation.flush, []);
}

/** Keys do not expire: -1 for one that is there, -2 for one that is not. */
function planTtl(args: readonly Uint8Array[]): Plan {
  return read(
    Operation.exists,
    args,
    (reply) => isOne(reply, { type: "integer", value: -1 }, { type: "integer", value: -2 }),
  );
}

const SCAN_COUNT_MAX = 100_000;

function planScan([cursorWord, ...options]: readonly Uint8Array[], { cursors }: CommandContext): Plan {
  const cursor = latin1Of(cursorWord ?? NOTHING);
  if (!/^\d{1,20}$/.test(cursor)) return answer(errorReply("ERR invalid cursor"));
  let pattern = ascii("*");
  let count = 10;
  let wantsStrings = true;
  for (let i = 0; i < options.length; i += 2) {
    const word = latin1Of(options[i] ?? NOTHING).toUpperCase();
    const value = options[i + 1];
    if (value === undefined) return SYNTAX_ERROR;
    if (word === "MATCH") pattern = value.slice();
    else if (word === "TYPE") wantsStrings = latin1Of(value).toLowerCase() === "string";
    else if (word !== "COUNT") return SYNTAX_ERROR;
    else {
      const number = latin1Of(value);
      if (!/^-?\d{1,15}$/.test(number)) return NOT_AN_INTEGER;
      if (Number(number) < 1) return SYNTAX_ERROR;
      count = Math.min(Number(number), SCAN_COUNT_MAX);
    }
  }
  let from = ascii("0");
  if (!/^0+$/.test(cursor)) {
    const key = cursors.keyOf(cursor);
    if (key === undefined) {
      return answer(
        errorReply(`ERR SCAN cursor ${cursor} is not known to this server: start again with SCAN 0`),
      );
    }
    from = new Uint8Array(key.length + 1);
    from[0] = 49;
    from.set(key, 1);
  }
  return read(Operation.scan, [from, ascii(String(count)), pattern], (reply) => {
    if (reply.type !== "array") return reply;
    const [next, keys] = reply.items;
    const shown = next?.type === "bulk" ? cursors.remember(next.bytes.slice()) : "0";
    const page: Reply = wantsStrings && keys !== undefined ? keys : { type: "array", items: [] };
    return { type: "array", items: [text(shown), page] };
  });
}
