/**
 * A program of clients that behave badly, rows C1 to C11 of the fault model all at once: `abusers.ts SECONDS PORT...`.
 *
 * It is a process of its own so that its work does not count as the latency of whoever behaves well. At its end it says in one line of JSON
 * what it did and what it found that must not be; what it has to be told apart by afterwards are the keys `abuse:*`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import process from "node:process";

const [seconds = 5, ...ports] = process.argv.slice(2).map(Number);
const until = performance.now() + seconds * 1000;
const counts = new Map<string, number>();
const wrong: string[] = [];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
const isOn = () => performance.now() < until;
const portOf = (i: number) => ports[i % ports.length] ?? 0;

interface Open {
  readonly socket: Socket;
  heard: string;
  isOver: boolean;
}

/** A connection that keeps the end of what it hears; `null` where nobody lets it in. */
function open(port: number): Promise<Open | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    const own: Open = { socket, heard: "", isOver: false };
    socket.on("data", (chunk) => own.heard = (own.heard + chunk.toString("latin1")).slice(-4096));
    socket.on("error", () => {});
    socket.on("close", () => {
      own.isOver = true;
      resolve(null);
    });
    socket.on("connect", () => resolve(own));
  });
}

/** Writes, and waits until it left or the connection is over. */
function write({ socket, ...own }: Open, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve) => {
    if (own.isOver || socket.destroyed) return resolve();
    socket.once("close", resolve);
    socket.write(bytes, () => resolve());
  });
}

async function overWithin(own: Open, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end && !own.isOver;) await pause(20);
  return own.isOver;
}

/** Says something that must be answered with an error and the end of the connection. */
async function refused(
  name: string,
  port: number,
  ...chunks: readonly (Uint8Array | string)[]
): Promise<void> {
  const own = await open(port);
  if (own === null) return;
  for (const chunk of chunks) await write(own, chunk);
  if (!await overWithin(own, 10_000)) wrong.push(`${name} is still connected`);
  count(name);
  own.socket.destroy();
}

/** Again and again until the time is over. */
async function loop(copies: number, act: (i: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: copies }, async (_, copy) => {
    for (let i = copy; isOn(); i += copies) await act(i);
  }));
}

const kilobytes64 = Buffer.alloc(65_536, 97);
const garbage = Buffer.from(Uint8Array.from({ length: 20_000 }, (_, i) => (i * 7919 + (i >> 3) * 31) & 255));
const hello = Buffer.concat([
  Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]),
  Buffer.alloc(600),
  Buffer.from("\r\n"),
]);

const abuses: Readonly<Record<string, () => Promise<void>>> = {
  // C1: a line without end, and values that are never whole.
  "endless lines": () =>
    loop(2, (i) => refused("C1 endless line", portOf(i), ...Array.from({ length: 32 }, () => kilobytes64))),
  "values too long": () =>
    loop(1, (i) => refused("C1 value too long", portOf(i), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000000\r\n")),
  "values never whole": async () => {
    const held = await Promise.all(Array.from({ length: 24 }, (_, i) => open(portOf(i))));
    for (const own of held) {
      if (own === null) continue;
      await write(own, "*3\r\n$3\r\nSET\r\n$10\r\nabuse:huge\r\n$8000000\r\n");
      for (let i = 0; i < 120 && !own.isOver && isOn(); i++) await write(own, kilobytes64);
      count("C1 value never whole");
    }
    while (isOn()) await pause(50);
    for (const own of held) own?.socket.destroy();
  },
  // C2, C3: nonsense.
  "garbage": () => loop(2, (i) => refused("C2 garbage", portOf(i), garbage, "\r\n")),
  "absurd counts": () => loop(1, (i) => refused("C3 absurd count", portOf(i), "*1000000000\r\n")),
  "counts that are none": () => loop(1, (i) => refused("C3 count that is none", portOf(i), "*-x\r\n")),
  // C4: a million commands without waiting for an answer; answers have to come in order.
  "a million commands": () =>
    Promise.all([0, 1, 2, 3].map(async (i) => {
      const own = await open(portOf(i));
      if (own === null) return;
      let next = 0;
      let rest = "";
      own.socket.on("data", (chunk) => {
        const lines = (rest + chunk.toString("latin1")).split("\r\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          if (line.startsWith("$")) continue;
          if (line !== String(next)) wrong.push(`C4: ${line} was answered for ${next}`);
          next++;
        }
      });
      for (let from = 0; from < 250_000 && isOn() && !own.isOver; from += 1000) {
        await write(own, Array.from({ length: 1000 }, (_, k) => `ECHO ${from + k}\r\n`).join(""));
      }
      while (isOn() && next < 250_000) await pause(50);
      counts.set(
        "C4 pipelined commands answered",
        (counts.get("C4 pipelined commands answered") ?? 0) + next,
      );
      own.socket.destroy();
    })).then(() => {}),
  // C5: gone in the middle of a command, which must never happen.
  "gone in mid-command": () =>
    loop(1, async (i) => {
      const own = await open(portOf(i));
      if (own === null) return;
      await write(own, "*3\r\n$3\r\nSET\r\n$10\r\nabuse:half\r\n$5\r\nval");
      own.socket.destroy();
      count("C5 gone in mid-command");
      await pause(5);
    }),
  // C6: gone before the answer; it may happen, once.
  "gone before the answer": () =>
    loop(1, async (i) => {
      const own = await open(portOf(i));
      if (own === null) return;
      await write(own, `INCR abuse:once:${i}\r\n`);
      own.socket.destroy();
      count("C6 gone before the answer");
      await pause(5);
    }),
  // C7: they ask for a megabyte a thousand times, and read nothing.
  "reads nothing": async () => {
    const held = await Promise.all(Array.from({ length: 30 }, (_, i) => open(portOf(i))));
    for (const own of held) {
      own?.socket.pause();
      own?.socket.write("GET abuse:megabyte\r\n".repeat(1000));
      count("C7 reads nothing");
    }
    while (isOn()) await pause(50);
    for (const own of held) own?.socket.destroy();
  },
  // C8: many who say nothing, who say a byte now and then, and who come and go.
  "idle and slow": async () => {
    const held = await Promise.all(Array.from({ length: 300 }, (_, i) => open(portOf(i))));
    for (let i = 0; isOn(); i++) {
      held.slice(0, 150).forEach((own) => own?.socket.write("SET slow loris"[i % 14] ?? " "));
      await pause(200);
    }
    for (const own of held) own?.socket.destroy();
    counts.set("C8 idle or slow", held.filter((own) => own !== null).length);
  },
  "come and gone": () =>
    loop(4, async (i) => {
      (await open(portOf(i)))?.socket.destroy();
      count("C8 come and gone");
    }),
  // C9: the same write at one server and then at the next.
  "retried elsewhere": () =>
    loop(1, async (i) => {
      for (const at of [i, i + 1]) {
        const own = await open(portOf(at));
        if (own === null) continue;
        await write(own, `SET abuse:first:${i} ${at} NX\r\n`);
        if (at === i) own.socket.destroy();
        else {
          await overWithin(own, 100);
          own.socket.destroy();
        }
      }
      count("C9 retried elsewhere");
    }),
  // C10: other protocols. What a browser can be made to send must not be taken for commands.
  "HTTP": () =>
    loop(1, (i) =>
      refused(
        "C10 HTTP",
        portOf(i),
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 26\r\n\r\nSET abuse:http 1\r\nGET x\r\n\r\n",
      )),
  "TLS": () => loop(1, (i) => refused("C10 TLS", portOf(i), hello)),
  // C11: guesses.
  "guesses": () =>
    loop(1, async (i) => {
      const own = await open(portOf(i));
      if (own === null) return;
      await write(own, Array.from({ length: 200 }, (_, k) => `AUTH guess${k}\r\n`).join(""));
      await pause(100);
      // What is heard may begin in the middle of a line.
      const accepted = own.heard.split("\r\n").slice(1, -1).find((line) => !line.startsWith("-"));
      if (accepted !== undefined) wrong.push(`C11: AUTH was answered ${accepted}`);
      own.socket.destroy();
      count("C11 guessed credentials");
    }),
};

const only = process.env["RAFTLINE_ABUSE"];
await Promise.all(
  Object.entries(abuses).filter(([name]) => only === undefined || only.split(",").includes(name)).map((
    [, abuse],
  ) => abuse()),
);
console.log(
  JSON.stringify({ counts: Object.fromEntries([...counts].sort()), wrong: [...new Set(wrong)].slice(0, 20) }),
);
process.exit(0);
