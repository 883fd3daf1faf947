/**
 * Commands about the connection and the server: HELLO, CLIENT, CONFIG, COMMAND, RAFT.
 *
 * As far as stock clients ask: what they send on connecting, and what people type.
 *
 * @module
 */
import { latin1Of } from "../base/latin1.ts";
import { errorReply, NULL, OK, type Reply } from "../codec/reply.ts";
import { matchesGlob } from "../base/glob.ts";
import { backupCommand } from "./backup_command.ts";
import type { CommandContext, CommandSpec, Plan } from "./command_spec.ts";
import { raftConfigText, raftStatusText, REDIS_VERSION } from "./info.ts";

function answer(reply: Reply): Plan {
  return { kind: "answer", reply };
}

function text(content: string): Reply {
  return { type: "bulk", bytes: new TextEncoder().encode(content) };
}

function simple(word: string): Reply {
  return { type: "simple", text: word };
}

function integer(value: number): Reply {
  return { type: "integer", value };
}

function words(args: readonly Uint8Array[]): string[] {
  return args.map(latin1Of);
}

function unknownSubcommand(command: string, sub: string): Plan {
  const shown = sub.slice(0, 128).replaceAll(/[^\x20-\x7e]/g, "?");
  return answer(errorReply(`ERR unknown subcommand '${shown}'. Try ${command} HELP.`));
}

/** HELLO [2|3 [AUTH user password] [SETNAME name]] */
export function helloCommand(args: readonly Uint8Array[], context: CommandContext): Plan {
  const [version, ...options] = words(args);
  if (version !== undefined && !/^\d{1,9}$/.test(version)) {
    return answer(errorReply("ERR Protocol version is not an integer or out of range"));
  }
  if (version !== undefined && version !== "2" && version !== "3") {
    return answer(errorReply("NOPROTO unsupported protocol version"));
  }
  let name = context.name;
  for (let i = 0; i < options.length;) {
    const option = options[i]?.toUpperCase();
    const value = options[i + 1];
    if (option === "AUTH" && options[i + 2] !== undefined) {
      return answer(
        errorReply(
          "ERR AUTH called without any password configured. Are you sure your configuration is correct?",
        ),
      );
    }
    if (option !== "SETNAME" || value === undefined) {
      return answer(errorReply(`ERR Syntax error in HELLO option '${options[i] ?? ""}'`));
    }
    name = value;
    i += 2;
  }
  if (!isName(name)) return answer(BAD_NAME);
  context.name = name;
  if (version !== undefined) context.resp3 = version === "3";
  return answer({
    type: "map",
    pairs: [
      [text("server"), text("redis")],
      [text("version"), text(REDIS_VERSION)],
      [text("proto"), integer(context.resp3 ? 3 : 2)],
      [text("id"), integer(context.id)],
      [text("mode"), text("standalone")],
      [text("role"), text("master")],
      [text("modules"), { type: "array", items: [] }],
    ],
  });
}

const BAD_NAME = errorReply("ERR Client names cannot contain spaces, newlines or special characters.");

function isName(name: string): boolean {
  return /^[\x21-\x7e]{0,512}$/.test(name);
}

/** How many words each subcommand of CLIENT takes behind its name; LIST is freer. */
const CLIENT_WORDS: ReadonlyMap<string, number> = new Map([
  ["ID", 0],
  ["GETNAME", 0],
  ["SETNAME", 1],
  ["SETINFO", 2],
  ["INFO", 0],
  ["NO-EVICT", 1],
  ["NO-TOUCH", 1],
  ["REPLY", 1],
]);

/** CLIENT, as clients use it on connecting, and people to look around. */
export function clientCommand(args: readonly Uint8Array[], context: CommandContext): Plan {
  const [sub = "", value = ""] = words(args);
  const name = sub.toUpperCase();
  if ((CLIENT_WORDS.get(name) ?? args.length - 1) !== args.length - 1) {
    return answer(errorReply(`ERR wrong number of arguments for 'client|${name.toLowerCase()}' command`));
  }
  switch (name) {
    case "ID":
      return answer(integer(context.id));
    case "GETNAME":
      return answer(context.name === "" ? NULL : text(context.name));
    case "SETNAME":
      if (!isName(value)) return answer(BAD_NAME);
      context.name = value;
      return answer(OK);
    case "SETINFO":
      return answer(OK);
    case "INFO":
      return answer(text(`${context.ownLine()}\n`));
    case "LIST":
      return answer(text(context.clientLines().map((line) => `${line}\n`).join("")));
    case "NO-EVICT":
    case "NO-TOUCH":
      return answer(isSwitch(value) ? OK : SYNTAX_ERROR);
    case "REPLY":
      return answer(replyMode(value.toUpperCase()));
    default:
      return unknownSubcommand("CLIENT", sub);
  }
}

const SYNTAX_ERROR = errorReply("ERR syntax error");

function isSwitch(word: string): boolean {
  return ["ON", "OFF"].includes(word.toUpperCase());
}

function replyMode(mode: string): Reply {
  if (mode === "ON") return OK;
  return mode === "OFF" || mode === "SKIP"
    ? errorReply("ERR CLIENT REPLY OFF and SKIP are not supported")
    : SYNTAX_ERROR;
}

/** CONFIG GET, with what stock clients look for and our own limits; CONFIG SET says where settings are made. */
export function configCommand(args: readonly Uint8Array[], { limits }: CommandContext): Plan {
  const [sub = "", ...rest] = words(args);
  if (sub.toUpperCase() === "SET" || sub.toUpperCase() === "REWRITE") {
    return answer(errorReply("ERR settings are made on the command line: see raftline serve --help"));
  }
  if (sub.toUpperCase() === "RESETSTAT") return answer(OK);
  if (sub.toUpperCase() !== "GET") return unknownSubcommand("CONFIG", sub);
  if (rest.length === 0) return answer(errorReply("ERR wrong number of arguments for 'config|get' command"));
  const settings: readonly (readonly [string, string])[] = [
    ["save", ""],
    ["appendonly", "yes"],
    ["appendfsync", "always"],
    ["databases", "1"],
    ["maxmemory", "0"],
    ["maxmemory-policy", "noeviction"],
    ["maxclients", String(limits.clientsMax)],
    ["proto-max-bulk-len", String(limits.bulkBytesMax)],
    ["timeout", "0"],
  ];
  const patterns = args.slice(1);
  const encoder = new TextEncoder();
  const found = settings.filter(([name]) =>
    patterns.some((pattern) => matchesGlob(lower(pattern), encoder.encode(name)))
  );
  return answer({ type: "map", pairs: found.map(([name, value]) => [text(name), text(value)]) });
}

function lower(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => byte >= 65 && byte <= 90 ? byte + 32 : byte);
}

/** COMMAND, so that clients learn names and key places. */
export function commandCommand(
  args: readonly Uint8Array[],
  commands: ReadonlyMap<string, CommandSpec>,
): Plan {
  const [sub, ...names] = words(args).map((word) => word.toLowerCase());
  const describe = (name: string): Reply => {
    const spec = commands.get(name);
    if (spec === undefined) return NULL;
    const flags = spec.access === "write"
      ? ["write", "denyoom"]
      : spec.access === "read"
      ? ["readonly"]
      : ["fast"];
    const [first, last, step] = spec.keys;
    const empty: Reply = { type: "array", items: [] };
    return {
      type: "array",
      items: [
        text(spec.name),
        integer(spec.arity),
        { type: "array", items: flags.map(simple) },
        integer(first),
        integer(last),
        integer(step),
        empty,
        empty,
        empty,
        empty,
      ],
    };
  };
  switch (sub) {
    case undefined:
      return answer({ type: "array", items: [...commands.keys()].map(describe) });
    case "count":
      return answer(integer(commands.size));
    case "list":
      return answer({ type: "array", items: [...commands.keys()].map(text) });
    case "info":
      return answer({
        type: "array",
        items: (names.length > 0 ? names : [...commands.keys()]).map(describe),
      });
    case "docs":
      return answer({
        type: "map",
        pairs: (names.length > 0 ? names : [...commands.keys()]).filter((name) => commands.has(name)).map((
          name,
        ) => [
          text(name),
          {
            type: "map",
            pairs: [[text("summary"), text(`see the Redis command reference for ${name.toUpperCase()}`)]],
          },
        ]),
      });
    default:
      return unknownSubcommand("COMMAND", sub);
  }
}

/** RAFT STATUS, readable by hand. */
export function raftCommand(args: readonly Uint8Array[], context: CommandContext): Plan {
  const [sub = ""] = words(args);
  switch (sub.toUpperCase()) {
    case "STATUS":
      return answer(text(raftStatusText(context.status())));
    case "CONFIG":
      return answer(text(raftConfigText(context.status())));
    case "AGE":
      return answer(context.ageMs() === null ? NULL : integer(Math.ceil(context.ageMs() ?? 0)));
    case "SNAPSHOT":
      return { kind: "ask", ask: (done) => context.takeSnapshot(done) };
    case "BACKUP":
      return backupCommand(words(args.slice(1)), context);
    case "ADD":
    case "REMOVE":
    case "REPLACE":
    case "PROMOTE":
    case "DEMOTE":
    case "PRIORITY":
    case "TRANSFER":
      return { kind: "ask", ask: (done) => context.admin(words(args), done) };
    case "HELP":
      return answer({
        type: "array",
        items: [
          "RAFT <subcommand>. Subcommands are:",
          "STATUS",
          "    What this server knows of itself and the members.",
          "CONFIG",
          "    The members, as the newest configuration in this server's log has them.",
          "ADD ID HOST:PORT [LEARNER] [PRIORITY N] [IF INDEX]",
          "    Adds a server that waits with --join. It becomes a voter by itself once it has caught up.",
          "REMOVE ID [IF INDEX]",
          "    Removes a member.",
          "REPLACE OLD NEW HOST:PORT [IF INDEX]",
          "    A new server takes the place of a voter, in one step, once it has caught up.",
          "PROMOTE ID [IF INDEX], DEMOTE ID [IF INDEX]",
          "    Makes a learner a voter, or a voter a learner.",
          "PRIORITY ID N [IF INDEX]",
          "    Whoever has a higher one is preferred as leader; 0 never leads.",
          "TRANSFER [ID]",
          "    Hands the lead to that voter, or to whoever is fit.",
          "SNAPSHOT",
          "    Takes a snapshot on this server now.",
          "BACKUP [STALE], BACKUP PIECE INDEX TERM BYTES CHECKSUM OFFSET LENGTH",
          "    Makes a snapshot for a backup and names it; gives bytes of it. See raftline backup.",
          "AGE",
          "    For how many milliseconds this server's state may lack what was acknowledged.",
        ].map(simple),
      });
    default:
      return unknownSubcommand("RAFT", sub);
  }
}
