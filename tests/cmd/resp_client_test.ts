/**
 * Kind: unit, property and integration (a hand-made server on loopback).
 *
 * Invariant: replies come out of the stream as they were put in, however it was cut; each goes to the command that asked; a connection that
 * breaks leaves nobody waiting.
 *
 * Learnt: a reply may end at any byte of a chunk, between the two bytes of a line's end too.
 */
import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { createServer, type Socket } from "node:net";
import {
  type Answer,
  AnswerParser,
  connectToAll,
  connectToAny,
  NoAnswer,
  RespClient,
  textOf,
} from "../../cmd/resp_client.ts";
import { ExitCode } from "../../internal/base/errors.ts";
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { chunkings, randomChunks, watchAllocations } from "../codec/support.ts";

const bulk = (text: string): Answer => ({ type: "bulk", bytes: bytesOfLatin1(text) });
const list = (...items: Answer[]): Answer => ({ type: "array", items });
const nil: Answer = { type: "null" };

const STREAM: readonly (readonly [bytes: string, answer: Answer])[] = [
  ["+OK\r\n", { type: "simple", text: "OK" }],
  ["+\r\n", { type: "simple", text: "" }],
  ["-ERR no such thing\r\n", { type: "error", text: "ERR no such thing" }],
  [":0\r\n", { type: "integer", text: "0" }],
  [":-9223372036854775808\r\n", { type: "integer", text: "-9223372036854775808" }],
  ["$-1\r\n", nil],
  ["*-1\r\n", nil],
  ["$0\r\n\r\n", bulk("")],
  ["$5\r\nhello\r\n", bulk("hello")],
  ["$12\r\n\r\n+OK\r\n$-1\r\n\r\n", bulk("\r\n+OK\r\n$-1\r\n")],
  ["$3\r\n\0\xff\n\r\n", bulk("\0\xff\n")],
  ["*0\r\n", list()],
  ["*2\r\n$1\r\na\r\n$-1\r\n", list(bulk("a"), nil)],
  [
    "*3\r\n:1\r\n*2\r\n+a\r\n*0\r\n-ERR b\r\n",
    list(
      { type: "integer", text: "1" },
      list({ type: "simple", text: "a" }, list()),
      { type: "error", text: "ERR b" },
    ),
  ],
];

/** Everything that these chunks give. */
function parsed(chunks: readonly Uint8Array[]): Answer[] {
  const parser = new AnswerParser();
  const answers: Answer[] = [];
  for (const chunk of chunks) {
    parser.push(chunk);
    for (let answer = parser.next(); answer !== null; answer = parser.next()) answers.push(answer);
  }
  return answers;
}

Deno.test("a stream of replies gives the same answers, cut at every byte and byte by byte", () => {
  const bytes = bytesOfLatin1(STREAM.map(([text]) => text).join(""));
  for (const chunks of chunkings(bytes)) {
    assertEquals(
      parsed(chunks),
      STREAM.map(([, answer]) => answer),
      `cut as ${chunks.map(({ length }) => length)}`,
    );
  }
});

for (const [text, answer] of STREAM) {
  Deno.test(`${JSON.stringify(text)} is one answer, when it is whole`, () => {
    const bytes = bytesOfLatin1(text);
    for (let length = 0; length < bytes.length; length++) assertEquals(parsed([bytes.slice(0, length)]), []);
    assertEquals(parsed([bytes]), [answer]);
  });
}

/** An answer, and its bytes. */
function randomAnswer(random: Random, depth: number): readonly [text: string, answer: Answer] {
  const number = String(random.between(-1000, 1000));
  switch (random.below(depth > 0 ? 6 : 5)) {
    case 0:
      return [`+${number}\r\n`, { type: "simple", text: number }];
    case 1:
      return [`-ERR ${number}\r\n`, { type: "error", text: `ERR ${number}` }];
    case 2:
      return [`:${number}\r\n`, { type: "integer", text: number }];
    case 3:
      return ["$-1\r\n", nil];
    case 4: {
      const length = random.chance(1, 10) ? 5000 : random.below(12);
      const text = Array.from({ length }, () => "\r\n$*:+-1a\0\xff"[random.below(11)]).join("");
      return [`$${length}\r\n${text}\r\n`, bulk(text)];
    }
    default: {
      const items = Array.from({ length: random.below(5) }, () => randomAnswer(random, depth - 1));
      return [
        `*${items.length}\r\n${items.map(([text]) => text).join("")}`,
        list(...items.map(([, item]) => item)),
      ];
    }
  }
}

Deno.test("random replies in random chunks come back, and stay what they were while more arrives", () => {
  const random = new SeededRandom("answers");
  for (let i = 0; i < 150; i++) {
    const sent = Array.from({ length: random.between(1, 20) }, () => randomAnswer(random, 3));
    const bytes = bytesOfLatin1(sent.map(([text]) => text).join(""));
    assertEquals(
      parsed(randomChunks(random, bytes, random.between(1, 300))),
      sent.map(([, answer]) => answer),
    );
  }
});

Deno.test("what begins like no reply is an error", () => {
  for (const text of ["HTTP/1.1 200 OK\r\n", "\r\n", "\0\r\n", "*1\r\nx\r\n"]) {
    assertThrows(() => parsed([bytesOfLatin1(text)]), Error, "Cannot read the reply");
  }
});

Deno.test("a length that is no number is an error, and so is an integer that is none", () => {
  for (
    const text of [
      "$abc\r\nabc\r\n",
      "$\r\n",
      "*x\r\n",
      "$1e1\r\n0123456789\r\n",
      "*1.5\r\n+a\r\n+b\r\n",
      "$-2\r\n",
      "$ 1\r\na\r\n",
      "$99999999999\r\n",
      ":x\r\n",
      ":\r\n",
      ":1.5\r\n",
    ]
  ) {
    assertThrows(() => parsed([bytesOfLatin1(text)]), Error, "Cannot read the reply");
  }
});

Deno.test("what a server sends to who said HELLO 3 is read as well", () => {
  assertEquals(parsed([bytesOfLatin1("_\r\n%2\r\n+a\r\n:1\r\n$1\r\nb\r\n%0\r\n+z\r\n")]), [
    nil,
    list({ type: "simple", text: "a" }, { type: "integer", text: "1" }, bulk("b"), list()),
    { type: "simple", text: "z" },
  ]);
});

/** The bytes that were allocated for a reply in chunks of 1 KiB. */
function allocatedFor(reply: Uint8Array): number {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < reply.length; at += 1024) chunks.push(reply.slice(at, at + 1024));
  const { value, allocated } = watchAllocations(() => parsed(chunks));
  assertEquals(value.length, 1);
  return allocated.reduce((sum, bytes) => sum + bytes, 0);
}

Deno.test("a long reply in many chunks is copied a few times, not once for each chunk", () => {
  const length = 1 << 20;
  assertLess(allocatedFor(bytesOfLatin1(`$${length}\r\n${"x".repeat(length)}\r\n`)), 8 * length);
});

Deno.test("a long list in many chunks is read once, not once for each chunk", () => {
  const count = 50_000;
  const reply = bytesOfLatin1(`*${count}\r\n${"$8\r\nsome key\r\n".repeat(count)}`);
  let slices = 0;
  const slice = Uint8Array.prototype.slice;
  Uint8Array.prototype.slice = function (...args) {
    slices++;
    return slice.apply(this, args);
  };
  try {
    assertLess(allocatedFor(reply), 8 * reply.length);
  } finally {
    Uint8Array.prototype.slice = slice;
  }
  assertLess(slices, 2 * count);
});

Deno.test("a list of lists, as deep as one likes, does not break the reader", () => {
  const depth = 100_000;
  const [answer] = parsed([bytesOfLatin1(`${"*1\r\n".repeat(depth)}:7\r\n`)]);
  let found = answer;
  for (let i = 0; i < depth; i++) found = found?.type === "array" ? found.items[0] : undefined;
  assertEquals(found, { type: "integer", text: "7" });
});

Deno.test("the text of an answer is that of a bulk or a simple string; an error is thrown", () => {
  assertEquals([textOf(bulk("a")), textOf({ type: "simple", text: "b" })], ["a", "b"]);
  assertThrows(() => textOf({ type: "error", text: "ERR no" }), Error, "ERR no");
  for (const answer of [nil, list(), { type: "integer", text: "1" } as const]) {
    assertThrows(() => textOf(answer), Error, `the answer is no text but ${answer.type}`);
  }
});

/* ---- a server on loopback ---- */

interface Served {
  readonly port: number;
  /** Everything that clients sent. */
  heard(): string;
}

/** A server that does that with every chunk, for as long as the test runs. */
async function serving(
  onData: (socket: Socket, text: string) => void,
  test: (served: Served) => Promise<void>,
): Promise<void> {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk: Uint8Array) => {
      heard.push(latin1Of(chunk));
      onData(socket, latin1Of(chunk));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  assert(address !== null && typeof address !== "string");
  try {
    await test({ port: address.port, heard: () => heard.join("") });
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

const local = (port: number) => ({ host: "127.0.0.1", port });

Deno.test("answers go to the commands in the order in which they were sent", () =>
  serving(
    (socket, text) => {
      for (const [, number] of text.matchAll(/\$\d+\r\n#(\d+)\r\n/g)) socket.write(`:${number}\r\n`);
    },
    async ({ port }) => {
      const client = await RespClient.connect(local(port));
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => client.send(["ECHO", `#${i}`])));
      assertEquals(answers.map((answer) => answer.type === "integer" ? Number(answer.text) : -1), [
        ...answers.keys(),
      ]);
      client.close();
    },
  ));

Deno.test("words go as an array of bytes, a line as it was typed", () =>
  serving(
    (socket) => socket.write("+OK\r\n"),
    async ({ port, heard }) => {
      const client = await RespClient.connect(local(port));
      await client.send(["SET", "a b", Uint8Array.of(0, 255)]);
      await client.sendLine("SET \"a b\" 'c' # d");
      assertEquals(heard(), "*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$2\r\n\0\xff\r\nSET \"a b\" 'c' # d\r\n");
      client.close();
    },
  ));

Deno.test("a connection that closes rejects every command that waits, and every later one", () =>
  serving(
    (socket) => socket.end("+OK\r\n"),
    async ({ port }) => {
      const client = await RespClient.connect(local(port));
      const [first, second, third] = [client.send(["A"]), client.send(["B"]), client.sendLine("C")];
      const rejected = [second, third].map((answer) =>
        assertRejects(() => answer, NoAnswer, "it closed the connection")
      );
      assertEquals(await first, { type: "simple", text: "OK" });
      await Promise.all(rejected);
      await assertRejects(() => client.send(["D"]), NoAnswer, "it closed the connection");
      client.close();
    },
  ));

Deno.test("who speaks another protocol is said to", () =>
  serving(
    (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    async ({ port }) => {
      const client = await RespClient.connect(local(port));
      await assertRejects(
        () => client.send(["PING"]),
        Error,
        `no answer from 127.0.0.1:${port}: it does not speak the Redis protocol`,
      );
      client.close();
    },
  ));

Deno.test("the first address that answers is taken; where none does, each is told of", async () => {
  let closed = 0;
  await serving(() => {}, ({ port }) => Promise.resolve(void (closed = port)));
  await serving(
    (socket) => socket.write("+PONG\r\n"),
    async ({ port }) => {
      const client = await connectToAny([local(closed), local(port)]);
      assertEquals([client.address.port, await client.send(["PING"])], [port, {
        type: "simple",
        text: "PONG",
      }]);
      client.close();
    },
  );
  const error = await assertRejects(() => connectToAny([local(closed), local(closed)]), NoAnswer);
  const both = `127.0.0.1:${closed}, 127.0.0.1:${closed}`;
  assertEquals(
    error.message,
    `no answer from ${both}: connection refused; --connect says where servers are`,
  );
  assertEquals(error.exitCode, ExitCode.unavailable);
});

Deno.test("a server that takes a connection and says nothing is passed over, and so is one of another kind", () =>
  serving(
    () => {},
    ({ port: silent }) =>
      serving(
        (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
        ({ port: other }) =>
          serving(
            (socket) => socket.write("+PONG\r\n"),
            async ({ port }) => {
              const client = await connectToAny([local(silent), local(other), local(port)], 400);
              assertEquals([client.address.port, client.gone], [port, null]);
              client.close();
              const { clients, silence } = await connectToAll(
                [local(silent), local(port), local(other), local(silent)],
                400,
              );
              assertEquals(clients.map(({ address }) => address.port), [port]);
              for (const each of clients) each.close();
              const said = `127.0.0.1:${silent}, 127.0.0.1:${silent}: not within 400 ms; ` +
                `127.0.0.1:${other}: it does not speak the Redis protocol`;
              assertEquals(silence?.reason, said);
              const error = await assertRejects(() => connectToAll([local(silent)], 400), NoAnswer);
              assertEquals(error.reason, `127.0.0.1:${silent}: not within 400 ms`);
            },
          ),
      ),
  ));

Deno.test("an answer that does not come in time ends the connection, and says why", () =>
  serving(
    () => {},
    async ({ port }) => {
      const client = await RespClient.connect(local(port));
      const slow = assertRejects(() => client.send(["GET", "a"]), NoAnswer, "not within 50 ms");
      const late = assertRejects(() => client.send(["PING"], 50), NoAnswer, "not within 50 ms");
      await Promise.all([slow, late]);
      assertEquals(client.gone?.reason, "not within 50 ms");
      await assertRejects(() => client.send(["PING"]), NoAnswer);
    },
  ));
