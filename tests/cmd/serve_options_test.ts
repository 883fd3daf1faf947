/**
 * Kind: unit (tables).
 *
 * Invariant: what is started is what was asked for, and what contradicts itself is not started: a word that cannot be read has code 64, options
 * that do not go together have code 78, each in one line.
 *
 * Learnt: a default that the help shows and one that the code takes are two texts; here each shown default is given by hand.
 */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { readServeOptions, serveCommand } from "../../cmd/serve_options.ts";
import { Refusal } from "../../internal/base/errors.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import { SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN } from "../../internal/storage/stable_store.ts";

const read = (line: string) => readServeOptions(line === "" ? [] : line.split(" "));
const at = (host: string, port: number) => ({ host, port });
const local = (port: number) => at("127.0.0.1", port);

Deno.test("without options it is one server that is a cluster of its own", () => {
  assertEquals(read(""), {
    id: "n1",
    data: "./raftline-data",
    client: local(7001),
    peer: local(7101),
    advertisePeer: null,
    advertiseClient: null,
    members: [{ id: "n1", address: local(7101) }],
    join: [],
    dial: [],
    settings: defaultSettings,
    segmentBytes: SEGMENT_BYTES_DEFAULT,
    archive: null,
    freeBytesMin: 32 * 1024 * 1024,
    scrubBytesPerSecond: 4 * 1024 * 1024,
    scrubPauseMs: 3_600_000,
    snapshotEntries: 100_000,
    snapshotLogBytes: 64 * 1024 * 1024,
    logMemoryEntries: 100_000,
    valueBytesMax: 8 * 1024 * 1024,
    clientsMax: 10_000,
    requestTimeoutMs: 5000,
    logLevel: "info",
    exitWithParent: false,
  });
});

Deno.test("every option is taken", () => {
  const options = read(
    "--id n2 --data /d --client 0.0.0.0:1 --peer [::1]:2 --cluster n1=a:1,n2=[::1]:2,n3=c:3 " +
      "--dial a:1=b:9,[::1]:4=c:8 --heartbeat-ms 10 --election-timeout-min-ms 20 --election-timeout-max-ms 21 --request-timeout-ms 10 " +
      "--lease-drift-permille 7 --snapshot-entries 20 --snapshot-log-bytes 5000 --log-memory-entries 30 --advertise-client c:4 " +
      `--segment-bytes ${SEGMENT_BYTES_MIN} --archive /a --free-bytes-min 7000 --scrub-bytes-per-second 0 --scrub-pause-ms 100 --value-bytes-max 1024 --clients-max 1 --log-level error --exit-with-parent`,
  );
  assertEquals(options, {
    id: "n2",
    data: "/d",
    client: at("0.0.0.0", 1),
    peer: at("::1", 2),
    advertisePeer: at("::1", 2),
    advertiseClient: at("c", 4),
    members: [
      { id: "n1", address: at("a", 1) },
      { id: "n2", address: at("::1", 2) },
      { id: "n3", address: at("c", 3) },
    ],
    join: [],
    dial: [{ from: at("a", 1), to: at("b", 9) }, { from: at("::1", 4), to: at("c", 8) }],
    settings: {
      ...defaultSettings,
      heartbeatMs: 10,
      electionTimeoutMinMs: 20,
      electionTimeoutMaxMs: 21,
      leaseDriftPermille: 7,
    },
    segmentBytes: SEGMENT_BYTES_MIN,
    archive: "/a",
    freeBytesMin: 7000,
    scrubBytesPerSecond: 0,
    scrubPauseMs: 100,
    snapshotEntries: 20,
    snapshotLogBytes: 5000,
    logMemoryEntries: 30,
    valueBytesMax: 1024,
    clientsMax: 1,
    requestTimeoutMs: 10,
    logLevel: "error",
    exitWithParent: true,
  });
});

for (const { name, default: shown } of serveCommand.flags) {
  // Some defaults are told in words, since they follow from other options.
  if (shown === undefined || /\s/.test(shown)) continue;
  Deno.test(`the default that the help shows for --${name} is the one that is taken`, () => {
    assertEquals(readServeOptions([`--${name}`, shown]), read(""));
  });
}

Deno.test("the peer address follows from the client's, or from the cluster's", () => {
  assertEquals(read("--client 10.0.0.1:8001").peer, at("10.0.0.1", 8101));
  assertEquals(read("--client 10.0.0.1:8001 --cluster n1=10.0.0.9:9000").peer, at("10.0.0.9", 9000));
  assertEquals(read("--client h:65435").peer, at("h", 65_535));
  // Who listens on every address is known to the others by one of them.
  const options = read("--peer 0.0.0.0:9000 --cluster n1=10.0.0.9:9000");
  assertEquals([options.peer, options.members], [at("0.0.0.0", 9000), [{
    id: "n1",
    address: at("10.0.0.9", 9000),
  }]]);
});

Deno.test("a server that is to join knows no member, and where it is reached may be told apart", () => {
  const { members, join, peer, advertisePeer } = read(
    "--id n4 --join a:1,[::1]:2 --client 0.0.0.0:7 --peer b:3",
  );
  assertEquals([members, join, peer, advertisePeer], [[], [at("a", 1), at("::1", 2)], at("b", 3), null]);
  assertEquals(read("--advertise-peer x:9 --cluster n1=y:1").advertisePeer, at("x", 9));
});

Deno.test("a profile sets the three times together, and each can be set alone", () => {
  const times = (line: string) => {
    const { heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs } = read(line).settings;
    return [heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs];
  };
  assertEquals(times("--profile wan"), [100, 1000, 2000]);
  assertEquals(times("--profile lan"), [50, 300, 600]);
  assertEquals(times("--heartbeat-ms 500"), [500, 1000, 2000]);
  assertEquals(times("--election-timeout-max-ms 1001"), [100, 1000, 1001]);
});

const UNREADABLE: readonly (readonly [line: string, reason: string])[] = [
  ["--id=a/b", "--id is a/b, it must be 1 to 64 letters, digits, dots, dashes or underscores"],
  ["--id=\u00e9", "--id is \u00e9, it must be"],
  [`--id ${"x".repeat(65)}`, "it must be 1 to 64 letters"],
  ["--client 7001", "--client is 7001, it must be HOST:PORT"],
  ["--client h:65536", "--client is h:65536, it must be HOST:PORT"],
  ["--peer ::1:7101", "--peer is ::1:7101, it must be HOST:PORT"],
  ["--cluster n1", "--cluster has n1, it must be ID=HOST:PORT"],
  ["--cluster n1=h", "--cluster has n1=h, it must be"],
  ["--cluster =h:1", "--cluster has =h:1, it must be"],
  ["--cluster n1=h:1,", "--cluster has an empty word, it must be"],
  ["--cluster n1=h:1,,n2=h:2", "--cluster has an empty word, it must be"],
  ["--cluster n1=h:1,n/2=h:2", "--cluster has n/2=h:2, it must be"],
  ["--cluster n1=h:1;n2=h:2", "--cluster has n1=h:1;n2=h:2, it must be"],
  ["--dial n2=h:1", "--dial has n2=h:1, it must be HOST:PORT=HOST:PORT"],
  ["--dial a:1=b:2,", "--dial has an empty word, it must be"],
  ["--dial a:1=b:2=c:3", "--dial has a:1=b:2=c:3, it must be"],
  ["--profile metro", "--profile is metro, it must be one of wan, lan"],
  ["--log-level INFO", "--log-level is INFO, it must be one of debug, info, warn, error"],
  ["--heartbeat-ms 0", "--heartbeat-ms is 0, it must be a whole number from 1 to 60000"],
  ["--heartbeat-ms 1.5", "--heartbeat-ms is 1.5, it must be a whole number"],
  ["--election-timeout-max-ms 120001", "must be a whole number from 1 to 120000"],
  ["--request-timeout-ms 9", "must be a whole number from 10 to 600000"],
  [
    `--segment-bytes ${SEGMENT_BYTES_MIN - 1}`,
    `must be a whole number from ${SEGMENT_BYTES_MIN} to 1073741824`,
  ],
  ["--segment-bytes 16M", "--segment-bytes is 16M, it must be"],
  ["--value-bytes-max 1023", "must be a whole number from 1024 to 8388608"],
  ["--value-bytes-max 8388609", "must be a whole number from 1024 to 8388608"],
  ["--clients-max 0", "must be a whole number from 1 to 1000000"],
  ["--data", "--data lacks its value"],
  ["--datadir x", "unknown option --datadir for serve"],
  ["n1", "serve takes no word n1"],
];

for (const [line, reason] of UNREADABLE) {
  Deno.test(`"${line}" cannot be read`, () => {
    const refused = assertThrows(() => read(line), Refusal, reason);
    assertEquals(refused.exitCode, 64);
    assertStringIncludes(refused.message, "; raftline serve --help lists the options");
  });
}

const ten = Array.from({ length: 10 }, (_, i) => `n${i + 1}=h${i + 1}:1`).join(",");

const CONTRADICTIONS: readonly (readonly [line: string, reason: string])[] = [
  ["--id n4 --cluster n1=h:1,n2=h:2", "--cluster does not name --id n4"],
  ["--cluster n2=h:2", "--cluster does not name --id n1"],
  ["--cluster n1=h:1 --join h:2", "--cluster and --join are both given: a cluster is born, or joined"],
  ["--dial a:1=b:2,a:1=b:3", "--dial names a:1 twice"],
  ["--cluster n1=h:1,n2=h:2,n1=h:3", "--cluster names n1 twice"],
  ["--cluster n1=h:1,n2=h:1", "--cluster gives n1 and n2 the same address"],
  ["--cluster n1=[::1]:1,n2=h:2,n3=[::1]:1", "--cluster gives n1 and n3 the same address"],
  [`--cluster ${ten}`, "--cluster names 10 members, at most 9 can vote"],
  ["--cluster n1=h:9000 --peer h:9001", "--peer is h:9001, but --cluster says that n1 is at h:9000"],
  ["--client h:7001 --peer h:7001", "--client and --peer are both h:7001"],
  ["--client h:7001 --cluster n1=h:7001", "--client and --peer are both h:7001"],
  ["--client [::1]:7001 --peer [::1]:7001", "--client and --peer are both [::1]:7001"],
  ["--client h:65436", "the peer port would be 65536: give --peer"],
  ["--profile lan --heartbeat-ms 50", "--profile and --heartbeat-ms are both given"],
  ["--profile wan --election-timeout-min-ms 5", "--profile and --election-timeout-min-ms are both given"],
  ["--profile wan --election-timeout-max-ms 5", "--profile and --election-timeout-max-ms are both given"],
  ["--heartbeat-ms 501", "electionTimeoutMinMs is 1000, it must be at least twice heartbeatMs, which is 501"],
  ["--election-timeout-min-ms 199", "electionTimeoutMinMs is 199, it must be at least twice heartbeatMs"],
  ["--election-timeout-min-ms 2000", "electionTimeoutMaxMs is 2000, it must be a whole number above"],
  ["--election-timeout-max-ms 1000", "electionTimeoutMaxMs is 1000, it must be a whole number above"],
];

for (const [line, reason] of CONTRADICTIONS) {
  Deno.test(`"${line.slice(0, 70)}" contradicts itself`, () => {
    const refused = assertThrows(() => read(line), Refusal, reason);
    assertEquals(refused.exitCode, 78);
    assertStringIncludes(refused.message, "; raftline serve --help explains the options");
    assertEquals(/[\r\n]/.test(refused.message), false);
  });
}

Deno.test("the neighbours of contradictions are fine", () => {
  for (
    const line of [
      "--id n2 --cluster n1=h:1,n2=h:2",
      `--cluster ${ten.split(",").slice(0, 9).join(",")}`,
      "--cluster n1=h:1,n2=h:2,n3=g:1",
      "--cluster n1=h:9000 --peer h:9000",
      "--client h:7001 --peer g:7001",
      "--client h:0 --peer h:0",
      "--client h:65435",
      "--heartbeat-ms 500",
      "--election-timeout-min-ms 200",
      "--election-timeout-min-ms 1999",
      "--election-timeout-max-ms 1001",
      "--id a.B-c_9",
    ]
  ) read(line);
});

Deno.test("a client port of 0 asks for any free port, and so does the peer port that follows from it", () => {
  assertEquals(read("--client h:0").peer, at("h", 0));
  assertEquals(read("--client h:0 --peer h:9000").peer, at("h", 9000));
  assertEquals(read("--client h:1").peer, at("h", 101));
});
