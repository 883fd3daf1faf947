/**
 * Kind: unit (tables).
 *
 * Invariant: what stock clients ask on connecting and people ask to look around has an answer in the shape that they expect, in RESP2 and, after
 * HELLO 3, in RESP3; settings of one connection (name, protocol) are its own.
 *
 * Learnt: a map is an array of twice the length in RESP2; a client that asked for RESP3 and gets RESP2 fails in its parser, far from here.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Heard, readReply } from "../machine/resp.ts";
import { bulk, ClientStage, type FakeConnection, request } from "./stage.ts";

/** A conversation on one connection. */
class Talk {
  readonly stage = new ClientStage();
  readonly client: FakeConnection = this.stage.connect();

  constructor() {
    this.stage.backend.answerer = this.stage.backend.perform;
  }

  ask(...words: readonly string[]): string {
    this.client.says(request(...words));
    this.stage.pass();
    return this.client.take();
  }

  /** The texts of a flat array. */
  list(...words: readonly string[]): string[] {
    return textsOf(readReply(this.ask(...words), 0)?.heard);
  }
}

function textsOf(heard: Heard | undefined): string[] {
  if (heard?.type !== "array") throw new Error(`The reply is no array but ${heard?.type}`);
  return heard.items.map((item) => item.type === "array" ? "array" : item.text);
}

const hello = (protocol: number, id: number) =>
  [
    ["server", bulk("redis")],
    ["version", bulk("7.0.0")],
    ["proto", `:${protocol}\r\n`],
    ["id", `:${id}\r\n`],
    ["mode", bulk("standalone")],
    ["role", bulk("master")],
    ["modules", "*0\r\n"],
  ].map(([name = "", value]) => bulk(name) + value).join("");

Deno.test("HELLO says who is here, as an array in RESP2 and as a map in RESP3", () => {
  const talk = new Talk();
  assertEquals(talk.ask("HELLO"), `*14\r\n${hello(2, 1)}`);
  assertEquals(talk.ask("HELLO", "2"), `*14\r\n${hello(2, 1)}`);
  assertEquals(talk.ask("HELLO", "3"), `%7\r\n${hello(3, 1)}`);
  assertEquals(talk.ask("HELLO"), `%7\r\n${hello(3, 1)}`, "it stays");
  assertEquals(talk.ask("HELLO", "2"), `*14\r\n${hello(2, 1)}`, "and goes back");
});

Deno.test("after HELLO 3 nothing is a null of its own and a map is a map, on this connection only", () => {
  const talk = new Talk();
  const other = talk.stage.connect();
  talk.ask("HELLO", "3");
  assertEquals(talk.ask("GET", "none"), "_\r\n");
  assertEquals(talk.ask("MGET", "none", "none"), "*2\r\n_\r\n_\r\n");
  assertEquals(talk.ask("CONFIG", "GET", "save"), `%1\r\n${bulk("save")}${bulk("")}`);
  other.says("GET none\r\n");
  talk.stage.pass();
  assertEquals(other.heard, "$-1\r\n");
  assertEquals(talk.ask("RESET"), "+RESET\r\n");
  assertEquals(talk.ask("GET", "none"), "$-1\r\n");
});

Deno.test("a HELLO that is refused changes nothing", () => {
  const talk = new Talk();
  for (
    const words of [["3", "HUH"], ["3", "SETNAME", "a b"], ["4"], ["3", "SETNAME", "x", "AUTH", "u", "p"]]
  ) {
    assertMatch(talk.ask("HELLO", ...words), /^-(ERR|NOPROTO) [^\r\n]+\r\n$/);
    assertEquals(talk.ask("CLIENT", "GETNAME"), "$-1\r\n");
  }
});

Deno.test("CLIENT knows a connection by number, name and line", () => {
  const talk = new Talk();
  assertEquals(talk.ask("CLIENT", "ID"), ":1\r\n");
  assertEquals(talk.ask("CLIENT", "GETNAME"), "$-1\r\n");
  assertEquals(talk.ask("client", "setname", "me"), "+OK\r\n");
  assertEquals(talk.ask("CLIENT", "GETNAME"), bulk("me"));
  for (const name of ["a b", "a\n", "a\r\nid=9", "\xff"]) {
    assertEquals(
      talk.ask("CLIENT", "SETNAME", name),
      "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
    );
  }
  assertEquals(talk.ask("CLIENT", "GETNAME"), bulk("me"));
  assertEquals(talk.ask("HELLO", "2", "SETNAME", "you"), `*14\r\n${hello(2, 1)}`);
  const mine = "id=1 addr=10.0.0.1:5000 name=you resp=2 waiting=0 obl=0\n";
  assertEquals(talk.ask("CLIENT", "INFO"), bulk(mine));
  const other = talk.stage.connect();
  assertEquals(
    talk.ask("CLIENT", "LIST"),
    bulk(`${mine}id=2 addr=10.0.0.2:5000 name= resp=2 waiting=0 obl=0\n`),
  );
  other.breaks();
  talk.stage.pass();
  assertEquals(talk.ask("CLIENT", "LIST"), bulk(mine));
  talk.ask("RESET");
  assertEquals(talk.ask("CLIENT", "GETNAME"), "$-1\r\n");
});

Deno.test("CLIENT LIST shows what waits and what is not taken", () => {
  const talk = new Talk();
  talk.stage.backend.answerer = null;
  const busy = talk.stage.connect().says("GET a\r\nGET b\r\n");
  busy.bytesQueued = 77;
  assertStringIncludes(
    talk.ask("CLIENT", "LIST"),
    "id=2 addr=10.0.0.2:5000 name= resp=2 waiting=2 obl=77\n",
  );
});

for (
  const words of [
    ["SETINFO", "lib-name", "test"],
    ["NO-EVICT", "on"],
    ["NO-TOUCH", "off"],
    ["REPLY", "on"],
  ]
) {
  Deno.test(`CLIENT ${words.join(" ")} is taken`, () => {
    assertEquals(new Talk().ask("CLIENT", ...words), "+OK\r\n");
  });
}

const SETTINGS: readonly (readonly [patterns: readonly string[], names: readonly string[]])[] = [
  [["save"], ["save"]],
  [["SAVE"], ["save"]],
  [["append*"], ["appendonly", "appendfsync"]],
  [["maxmemory*"], ["maxmemory", "maxmemory-policy"]],
  [["save", "databases", "save"], ["save", "databases"]],
  [["max*", "*clients"], ["maxmemory", "maxmemory-policy", "maxclients"]],
  [["none"], []],
];

for (const [patterns, names] of SETTINGS) {
  Deno.test(`CONFIG GET ${patterns.join(" ")} gives ${names.join(", ") || "nothing"}`, () => {
    const pairs = new Talk().list("CONFIG", "GET", ...patterns);
    assertEquals(pairs.filter((_, i) => i % 2 === 0), names);
    assertEquals(pairs.length, names.length * 2);
  });
}

Deno.test("CONFIG GET * gives every setting with its value, our limits among them", () => {
  const stage = new ClientStage({ clientsMax: 77, bulkBytesMax: 4096 });
  const client = stage.connect().says("CONFIG GET *\r\n");
  stage.pass();
  const pairs = textsOf(readReply(client.heard, 0)?.heard);
  const values = new Map(pairs.flatMap((name, i) => i % 2 === 0 ? [[name, pairs[i + 1]] as const] : []));
  assertEquals([values.get("maxclients"), values.get("proto-max-bulk-len")], ["77", "4096"]);
  assertEquals([values.get("appendonly"), values.get("databases"), values.get("save")], ["yes", "1", ""]);
});

Deno.test("CONFIG RESETSTAT is taken", () => assertEquals(new Talk().ask("CONFIG", "RESETSTAT"), "+OK\r\n"));

Deno.test("COMMAND describes every command in ten fields", () => {
  const talk = new Talk();
  const heard = readReply(talk.ask("COMMAND"), 0)?.heard;
  assert(heard?.type === "array");
  for (const spec of heard.items) {
    assert(spec.type === "array");
    const [name, arity, flags, first, last, step] = spec.items;
    assertEquals(spec.items.length, 10);
    assert(name?.type === "bulk" && /^[a-z]+$/.test(name.text));
    for (const number of [arity, first, last, step]) {
      assert(number?.type === "line" && /^:-?\d+$/.test(number.text), name.text);
    }
    assertEquals(flags?.type, "array");
  }
  const names = talk.list("COMMAND", "LIST");
  assertEquals(talk.ask("COMMAND", "COUNT"), `:${names.length}\r\n`);
  assertEquals([heard.items.length, new Set(names).size], [names.length, names.length]);
});

Deno.test("COMMAND INFO says where the keys are and whether a command writes", () => {
  const shape = (name: string, arity: number, flags: readonly string[], keys: readonly number[]) =>
    `*10\r\n${bulk(name)}:${arity}\r\n*${flags.length}\r\n${flags.map((flag) => `+${flag}\r\n`).join("")}` +
    keys.map((key) => `:${key}\r\n`).join("") + "*0\r\n".repeat(4);
  const cases: readonly (readonly [name: string, shape: string])[] = [
    ["get", shape("get", 2, ["readonly"], [1, 1, 1])],
    ["SET", shape("set", -3, ["write", "denyoom"], [1, 1, 1])],
    ["mset", shape("mset", -3, ["write", "denyoom"], [1, -1, 2])],
    ["del", shape("del", -2, ["write", "denyoom"], [1, -1, 1])],
    ["ping", shape("ping", -1, ["fast"], [0, 0, 0])],
    ["nonsense", "$-1\r\n"],
  ];
  const talk = new Talk();
  for (const [name, expected] of cases) {
    assertEquals(talk.ask("COMMAND", "INFO", name), `*1\r\n${expected}`);
  }
  assertEquals(
    talk.ask("COMMAND", "INFO", ...cases.map(([name]) => name)),
    `*${cases.length}\r\n${cases.map(([, expected]) => expected).join("")}`,
  );
});

Deno.test("COMMAND DOCS is a map from names to maps, without the unknown", () => {
  const talk = new Talk();
  assertMatch(
    talk.ask("COMMAND", "DOCS", "get", "nonsense"),
    /^\*2\r\n\$3\r\nget\r\n\*2\r\n\$7\r\nsummary\r\n\$/,
  );
  talk.ask("HELLO", "3");
  assertMatch(talk.ask("COMMAND", "DOCS", "get"), /^%1\r\n\$3\r\nget\r\n%1\r\n\$7\r\nsummary\r\n\$/);
});

Deno.test("what COMMAND says of arity is what is asked for", () => {
  const talk = new Talk();
  const heard = readReply(talk.ask("COMMAND"), 0)?.heard;
  assert(heard?.type === "array");
  for (const spec of heard.items) {
    const [name, arity] = textsOf(spec);
    const least = Math.abs(Number(arity?.slice(1)));
    if (name === undefined || least < 2) continue;
    const one = talk.stage.connect().says(request(name, ...new Array<string>(least - 2).fill("0")));
    talk.stage.pass();
    assertEquals(one.heard, `-ERR wrong number of arguments for '${name}' command\r\n`);
  }
});

Deno.test("there is one database, number 0", () => {
  const talk = new Talk();
  assertEquals(talk.ask("SELECT", "0"), "+OK\r\n");
  assertEquals(talk.ask("SELECT", "1"), "-ERR DB index is out of range\r\n");
});

Deno.test("PING and ECHO give back any bytes", () => {
  const talk = new Talk();
  assertEquals(talk.ask("PING"), "+PONG\r\n");
  for (const text of ["", "a", "\r\n+OK\r\n", "\0\xff"]) {
    assertEquals([talk.ask("PING", text), talk.ask("ECHO", text)], [bulk(text), bulk(text)]);
  }
});

Deno.test("INFO gives all sections, or those that are asked for", () => {
  const talk = new Talk();
  const sections = (text: string) => [...text.matchAll(/^# (\w+)\r$/gm)].map(([, name]) => name);
  const all = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "Raft", "Keyspace"];
  for (const words of [[], ["all"], ["default"], ["EVERYTHING"]]) {
    assertEquals(sections(talk.ask("INFO", ...words)), all);
  }
  assertEquals(sections(talk.ask("INFO", "raft")), ["Raft"]);
  assertEquals(sections(talk.ask("INFO", "Server", "keyspace")), ["Server", "Keyspace"]);
  assertEquals(talk.ask("INFO", "nonsense"), bulk("\r\n"));
});

Deno.test("INFO tells of the node, the process and the time since the start", () => {
  const talk = new Talk();
  talk.stage.pass(61_500);
  const text = talk.ask("INFO");
  const lines = [
    ...[
      "redis_version:7.0.0",
      "raftline_version:1.2.3",
      "process_id:42",
      "tcp_port:7001",
      "uptime_in_seconds:61",
    ],
    ...["connected_clients:1", "used_memory:1000", "loading:0", "role:master", "connected_slaves:1"],
    ...["raft_id:n1", "raft_cluster_id:c0ffee", "raft_role:leader", "raft_term:7", "raft_leader:n1"],
    ...["raft_commit_index:12", "raft_applied_index:11", "raft_last_index:13", "raft_members:n1,n2"],
    "db0:keys=3,expires=0,avg_ttl=0",
  ];
  for (const line of lines) assertStringIncludes(text, `\r\n${line}\r\n`);
});

const backups: readonly (readonly [string, RegExp])[] = [
  ["BACKUP", /^\+OK backup\r\n$/],
  ["backup stale", /^\+OK backup stale\r\n$/],
  ["BACKUP PIECE 7 2 5000 99 1000 4000", /^\+OK 7:2 5000 99 1000\+4000\r\n$/],
  ["BACKUP PIECE 7 2 5000 99 1000 4001", /^-ERR BACKUP takes /],
  ["BACKUP PIECE 7 2 5000000 99 0 1048577", /^-ERR BACKUP takes /],
  ["BACKUP PIECE 7 2 5000 99 0 0", /^-ERR BACKUP takes /],
  ["BACKUP PIECE 7 2 5000 4294967296 0 1", /^-ERR BACKUP takes /],
  ["BACKUP PIECE 0 2 5000 99 0 1", /^-ERR BACKUP takes /],
  ["BACKUP PIECE 7 2 5000 99 0", /^-ERR BACKUP takes /],
  ["BACKUP PIECE 7 2 5000 99 0 1 1", /^-ERR BACKUP takes /],
  ["BACKUP PIECE 7 2 5000 99 -1 1", /^-ERR BACKUP takes /],
  ["BACKUP STALE 1", /^-ERR BACKUP takes /],
  ["BACKUP NOW", /^-ERR BACKUP takes /],
];

for (const [words, expected] of backups) {
  Deno.test(`RAFT ${words} is ${expected.source.startsWith("^-") ? "refused" : "taken"}`, () => {
    assertMatch(new Talk().ask("RAFT", ...words.split(" ")), expected);
  });
}

Deno.test("RAFT STATUS is lines for people and for `raftline status`", () => {
  const text = [
    ...["id:n1", "cluster_id:c0ffee", "role:leader", "term:7", "leader:n1", "leader_client:127.0.0.1:7001"],
    ...["first_index:1", "last_index:13", "commit_index:12", "applied_index:11", "snapshot_index:10"],
    ...["configuration_index:9", "configuration_settled:1", "removed:0", "keys:3"],
    "member:id=n1,standing=voter,peer=h1:7101,client=h1:7001,connected=1,match_index=13",
    "member:id=n2,standing=learner,peer=h2:7101,client=-,connected=0,match_index=-",
    "",
  ].join("\r\n");
  assertEquals(new Talk().ask("RAFT", "status"), bulk(text));
  assertEquals(new Talk().list("RAFT", "HELP")[1], "+STATUS");
});
