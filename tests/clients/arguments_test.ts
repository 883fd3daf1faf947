/**
 * Kind: unit (a table).
 *
 * Invariant: a command whose words are wrong is refused here, in Redis's words, and nothing of it reaches the cluster (X10: applying never
 * looks at a setting, so what can be refused is refused before it is replicated).
 *
 * Learnt: the texts were compared with those of a Redis 7.0; clients tell errors apart by them.
 */
import { assertEquals } from "@std/assert";
import { ClientStage, request } from "./stage.ts";

const ARITY: readonly string[] = [
  ...["GET", "GET a b", "STRLEN", "STRLEN a b", "EXISTS", "MGET", "DBSIZE a", "KEYS", "KEYS a b"],
  ...[
    "GETRANGE a",
    "GETRANGE a 0",
    "GETRANGE a 0 1 2",
    "SUBSTR a 0",
    "DEL",
    "UNLINK",
    "SETNX a",
    "SETNX a b c",
  ],
  ...["GETDEL", "GETDEL a b", "APPEND a", "APPEND a b c", "SET", "SET a", "GETSET a", "GETSET a b c"],
  ...["MSET", "MSET a", "MSET a 1 b", "INCR", "INCR a b", "DECR", "DECR a b", "INCRBY a", "INCRBY a 1 2"],
  ...["DECRBY a", "SCAN", "TYPE", "TYPE a b", "TTL", "TTL a b", "PTTL", "ECHO", "ECHO a b", "PING a b"],
  ...["SELECT", "SELECT 0 1", "AUTH", "CLIENT", "CONFIG", "RESET a", "RAFT"],
];

for (const line of ARITY) {
  Deno.test(`${line}: wrong number of arguments`, () => {
    const stage = new ClientStage();
    const name = line.split(" ")[0]?.toLowerCase();
    assertEquals(stage.ask(line), `-ERR wrong number of arguments for '${name}' command\r\n`);
    assertEquals(stage.backend.submitted, []);
  });
}

const SYNTAX = "ERR syntax error";
const NOT_AN_INTEGER = "ERR value is not an integer or out of range";

/** Words between blanks; what stands in the error reply. */
const REFUSED: readonly (readonly [line: string, error: string])[] = [
  ["SET k v HUH", SYNTAX],
  ["SET k v NX XX", SYNTAX],
  ["SET k v XX GET NX", SYNTAX],
  ["SET k v NX HUH", SYNTAX],
  ...["EX", "px", "EXAT", "PXAT", "KEEPTTL"].map((option) =>
    [
      `SET k v ${option} 10`,
      `ERR SET option ${option.toUpperCase()} is not supported: keys do not expire here`,
    ] as const
  ),
  ...["x", "1.5", "+1", "01", "-0", "1e3", "9223372036854775808", "-9223372036854775809"].flatMap((amount) =>
    [[`INCRBY k ${amount}`, NOT_AN_INTEGER], [`DECRBY k ${amount}`, NOT_AN_INTEGER]] as const
  ),
  ["DECRBY k -9223372036854775808", "ERR decrement would overflow"],
  ["FLUSHALL NOW", SYNTAX],
  ["FLUSHDB SYNC ASYNC", SYNTAX],
  ["SCAN x", "ERR invalid cursor"],
  ["SCAN -1", "ERR invalid cursor"],
  ["SCAN 1.5", "ERR invalid cursor"],
  ["SCAN 0 MATCH", SYNTAX],
  ["SCAN 0 COUNT", SYNTAX],
  ["SCAN 0 HUH 1", SYNTAX],
  ["SCAN 0 COUNT 0", SYNTAX],
  ["SCAN 0 COUNT -5", SYNTAX],
  ["SCAN 0 COUNT x", NOT_AN_INTEGER],
  ["SCAN 0 COUNT 1e3", NOT_AN_INTEGER],
  ["SCAN 7", "ERR SCAN cursor 7 is not known to this server: start again with SCAN 0"],
  ["SELECT x", NOT_AN_INTEGER],
  ["SELECT 1", "ERR DB index is out of range"],
  ["SELECT -1", "ERR DB index is out of range"],
  ["HELLO x", "ERR Protocol version is not an integer or out of range"],
  ["HELLO 1", "NOPROTO unsupported protocol version"],
  ["HELLO 4", "NOPROTO unsupported protocol version"],
  ["HELLO 3 HUH", "ERR Syntax error in HELLO option 'HUH'"],
  ["HELLO 3 SETNAME", "ERR Syntax error in HELLO option 'SETNAME'"],
  ["HELLO 3 AUTH user", "ERR Syntax error in HELLO option 'AUTH'"],
  [
    "HELLO 3 AUTH user password",
    "ERR AUTH called without any password configured. Are you sure your configuration is correct?",
  ],
  [
    "AUTH password",
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
  ],
  ["CLIENT HUH", "ERR unknown subcommand 'HUH'. Try CLIENT HELP."],
  ["CLIENT NO-EVICT huh", SYNTAX],
  ["CLIENT NO-TOUCH huh", SYNTAX],
  ["CLIENT REPLY huh", SYNTAX],
  ["CLIENT REPLY skip", "ERR CLIENT REPLY OFF and SKIP are not supported"],
  ["CLIENT REPLY OFF", "ERR CLIENT REPLY OFF and SKIP are not supported"],
  ["CONFIG HUH", "ERR unknown subcommand 'HUH'. Try CONFIG HELP."],
  ["CONFIG GET", "ERR wrong number of arguments for 'config|get' command"],
  ["CONFIG SET save 1", "ERR settings are made on the command line: see raftline serve --help"],
  ["COMMAND huh", "ERR unknown subcommand 'huh'. Try COMMAND HELP."],
  ["RAFT HUH", "ERR unknown subcommand 'HUH'. Try RAFT HELP."],
  ["NONSENSE", "ERR unknown command 'NONSENSE', with args beginning with: "],
  ["nonsense a b", "ERR unknown command 'nonsense', with args beginning with: 'a' 'b' "],
];

for (const [line, error] of REFUSED) {
  Deno.test(`${line}: ${error.slice(0, 60)}`, () => {
    const stage = new ClientStage();
    assertEquals(stage.ask(line), `-${error}\r\n`);
    assertEquals(stage.backend.submitted, []);
  });
}

Deno.test("an error shows nothing of the client that could pass for a reply, and not all of it", () => {
  const stage = new ClientStage();
  const client = stage.connect();
  const cases: readonly (readonly [words: readonly string[], error: string])[] = [
    [["a\r\n+OK", "b\nc\0\xff"], "'a??+OK', with args beginning with: 'b?c??' "],
    [["", ""], "'', with args beginning with: '' "],
    [
      ["x".repeat(200), "y".repeat(200)],
      `'${"x".repeat(128)}', with args beginning with: '${"y".repeat(128)}' `,
    ],
    [["many", ...new Array<string>(50).fill("z")], `'many', with args beginning with: ${"'z' ".repeat(20)}`],
  ];
  for (const [words, error] of cases) {
    client.says(request(...words));
    stage.pass();
    assertEquals(client.take(), `-ERR unknown command ${error}\r\n`);
  }
  client.says(request("CLIENT", "a\r\nb"));
  stage.pass();
  assertEquals(client.take(), "-ERR unknown subcommand 'a??b'. Try CLIENT HELP.\r\n");
});

Deno.test("names are read in any case, and a long or strange name is unknown", () => {
  const stage = new ClientStage();
  stage.backend.answerer = stage.backend.perform;
  for (const name of ["dbsize", "DBSIZE", "DbSiZe"]) assertEquals(stage.ask(name), ":0\r\n");
  for (const name of ["DBSIZE\0", "dbsize ", " dbsize", "constructor", "__proto__", "g".repeat(33)]) {
    const client = stage.connect().says(request(name));
    stage.pass();
    assertEquals(client.heard.startsWith("-ERR unknown command '"), true, name);
  }
});

const CLIENT_ARITY = [
  ...["SETNAME", "SETNAME a b", "GETNAME a", "ID a", "INFO a", "REPLY", "REPLY ON a", "NO-EVICT", "NO-TOUCH"],
  ...["NO-EVICT on a", "SETINFO lib-name", "SETINFO lib-name a b", "setname"],
];

for (const line of CLIENT_ARITY) {
  Deno.test(`CLIENT ${line}: wrong number of arguments, and nothing is changed`, () => {
    const stage = new ClientStage();
    const client = stage.connect().says(request("CLIENT", "SETNAME", "me"));
    stage.pass();
    assertEquals(client.take(), "+OK\r\n");
    client.says(request("CLIENT", ...line.split(" ")));
    stage.pass();
    const sub = line.split(" ")[0]?.toLowerCase();
    assertEquals(client.take(), `-ERR wrong number of arguments for 'client|${sub}' command\r\n`);
    client.says(request("CLIENT", "GETNAME"));
    stage.pass();
    assertEquals(client.take(), "$2\r\nme\r\n");
  });
}
