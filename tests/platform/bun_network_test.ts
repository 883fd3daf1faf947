/**
 * Kind: integration (the contract, asked of Bun in a process of its own), with units for Bun's sockets played by the test.
 *
 * Invariant: the contract of `Network` holds on Bun's own sockets and on `node:net` on Bun; what an event throws reaches whoever catches
 * what nobody caught; dials that were given up and cannot be broken off stay few; what the kernel takes by halves leaves in order.
 *
 * Learnt: Bun hands what an event throws to the socket's own `error`, which stops nobody: so there must be none. A dial cannot be broken
 * off there, and lasts two minutes where nothing answers. `end()` closes both directions, `shutdown()` only ours; whoever did that is not
 * told of the other side's end, only of the close. A write that meets a reset uses the error up: whoever is paused hears nothing of it afterwards
 * (abuse_test.ts, under load), so that write closes.
 */
import { assert, assertEquals } from "@std/assert";
import { spawn } from "node:child_process";
import { BunNetwork } from "../../internal/host/bun_network.ts";
import type { BunSocket, BunSockets } from "../../internal/host/bun_sockets.ts";
import type { Address, Connection, Network } from "../../internal/platform/network.ts";
import { missingProgram } from "../process/harness.ts";
import { contract } from "./network_contract.ts";
import { tcpContract } from "./tcp_contract.ts";
import { letPromisesRun } from "./drive.ts";

const program = new URL("./network_on_bun.ts", import.meta.url).pathname;

Deno.test({
  name: "Bun's own sockets and node:net on Bun keep the contract, and what an event throws is not lost",
  ignore: missingProgram("bun") !== null,
  fn: async () => {
    const child = spawn("bun", [program], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Uint8Array) => output += new TextDecoder().decode(chunk));
    }
    const code = await new Promise((resolve) => child.on("close", resolve));
    const lines = output.split("\n").filter((line) => line !== "");
    assertEquals([code, lines.filter((line) => !line.startsWith("ok: "))], [0, []], output.slice(0, 4000));
    const cases = [...contract, ...tcpContract].map(({ what }) => what);
    for (const network of ["node:net", "Bun's own"]) {
      const kept = lines.filter((line) => line.startsWith(`ok: ${network}: `));
      assertEquals(kept, cases.map((what) => `ok: ${network}: ${what}`));
    }
    assertEquals(lines.filter((line) => line.startsWith("ok: thrown in ")).length, 7);
  },
});

/* ---- Bun's sockets, played ---- */

/** A socket of which the test says how much it takes. */
class PlayedSocket<Data> implements BunSocket<Data> {
  data: Data | undefined;
  readonly remoteAddress = "192.0.2.1";
  readonly remotePort = 7;
  /** What is taken by the next writes; everything when there is nothing here. */
  takes: number[] = [];
  readonly sent: number[] = [];
  readonly calls: string[] = [];

  write(bytes: Uint8Array): number {
    const taken = Math.min(this.takes.shift() ?? bytes.length, bytes.length);
    if (taken > 0) this.sent.push(...bytes.subarray(0, taken));
    return taken;
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  shutdown(): void {
    this.calls.push("shutdown");
  }

  end(): void {
    this.calls.push("end");
  }
}

/** A dial that the test answers. */
interface PlayedDial {
  readonly host: string;
  open(): { readonly socket: PlayedSocket<unknown>; drain(): void };
  refuse(): void;
}

/** Sockets whose dials do what the test says. */
function played(): { readonly sockets: BunSockets; readonly dials: PlayedDial[] } {
  const dials: PlayedDial[] = [];
  const sockets: BunSockets = {
    listen: () => {
      throw new Error("nobody listens here");
    },
    connect: <Data>({ hostname, socket: handler }: Parameters<typeof sockets.connect<Data>>[0]) =>
      new Promise((resolve, reject) =>
        dials.push({
          host: hostname,
          open: () => {
            const socket = new PlayedSocket<Data>();
            handler.open(socket);
            resolve(socket);
            return { socket, drain: () => handler.drain(socket) };
          },
          refuse: () => reject(Object.assign(new Error("Failed to connect"), { code: "ECONNREFUSED" })),
        })
      ),
  };
  return { sockets, dials };
}

/** Who dials instead. */
class Other implements Network {
  readonly dialled: string[] = [];

  listen(): never {
    throw new Error("nobody listens here");
  }

  connect({ host }: Address): Connection {
    this.dialled.push(host);
    return new BunNetwork(played().sockets, this).connect({ host, port: 1 });
  }
}

/** Keeps what a connection told. */
function heardOf(connection: Connection): string[] {
  const heard: string[] = [];
  connection.listen({
    onOpen: () => heard.push("open"),
    onData: () => heard.push("data"),
    onEnd: () => heard.push("end"),
    onDrain: () => heard.push(`drain at ${connection.bytesQueued}`),
    onClose: (reason) => heard.push(`close: ${reason}`),
  });
  return heard;
}

Deno.test("Bun's sockets: as long as sixteen dials that were given up are under way, the other network dials", async () => {
  const { sockets, dials } = played();
  const other = new Other();
  const network = new BunNetwork(sockets, other);
  const dial = (host: string) => network.connect({ host, port: 1 });
  const live = Array.from({ length: 20 }, (_, i) => dial(`live ${i}`));
  const given = Array.from({ length: 15 }, (_, i) => dial(`given up ${i}`));
  for (const connection of given) connection.close();
  assertEquals([dials.length, other.dialled], [35, []], "dials that somebody waits for do not count");
  dial("the last").close();
  dial("one too many");
  assertEquals([dials.length, other.dialled], [36, ["one too many"]]);
  dials.find(({ host }) => host === "given up 3")?.refuse();
  await letPromisesRun();
  const late = dials.find(({ host }) => host === "given up 4")?.open();
  await letPromisesRun();
  assertEquals(late?.socket.calls, ["end"], "it opens for nobody");
  const heard = live.map(heardOf);
  for (const what of ["a", "b"]) dial(what).close();
  dial("one too many again");
  assertEquals(other.dialled, ["one too many", "one too many again"]);
  for (const { host, refuse } of dials) if (host.startsWith("live")) refuse();
  await letPromisesRun();
  assertEquals(heard, live.map(() => ["close: connection refused"]));
});

Deno.test("Bun's sockets: what is taken by halves leaves in order, drains once, and is ended behind", async () => {
  const { sockets, dials } = played();
  const connection = new BunNetwork(sockets, new Other()).connect({ host: "a", port: 1 });
  const heard = heardOf(connection);
  connection.write(Uint8Array.of(1, 2, 3));
  assertEquals(connection.bytesQueued, 3);
  const dial = dials[0];
  assert(dial !== undefined);
  const { socket, drain } = dial.open();
  await letPromisesRun();
  assertEquals([socket.sent, heard, connection.bytesQueued], [[1, 2, 3], ["open", "drain at 0"], 0]);
  socket.takes = [2, 0, 1, 1];
  connection.write(Uint8Array.of(4, 5, 6, 7));
  connection.write(Uint8Array.of(8));
  connection.end();
  connection.write(Uint8Array.of(99));
  assertEquals([socket.sent.length, connection.bytesQueued], [5, 3], "nothing overtakes what waits");
  drain();
  drain();
  assertEquals([socket.sent.length, connection.bytesQueued, socket.calls], [6, 2, []]);
  socket.takes = [1, 0];
  drain();
  assertEquals([socket.sent, connection.bytesQueued], [[1, 2, 3, 4, 5, 6, 7], 1]);
  drain();
  drain();
  assertEquals(socket.sent, [1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals([connection.bytesQueued, socket.calls], [0, ["shutdown"]]);
  assertEquals(heard, ["open", "drain at 0", "drain at 0"]);
});

Deno.test("Bun's sockets: a stream that turns out broken is closed, by a write as by a drain", async () => {
  for (const byDrain of [false, true]) {
    const { sockets, dials } = played();
    const connection = new BunNetwork(sockets, new Other()).connect({ host: "a", port: 1 });
    const heard = heardOf(connection);
    const opened = dials[0]?.open();
    assert(opened !== undefined);
    const { socket, drain } = opened;
    socket.takes = byDrain ? [1, -1] : [-1];
    connection.write(Uint8Array.of(1, 2));
    if (byDrain) drain();
    connection.write(Uint8Array.of(3));
    assertEquals([heard, connection.bytesQueued, socket.calls], [["open"], 0, ["end"]]);
    await letPromisesRun();
    assertEquals(heard, ["open", "close: the other side closed the connection"]);
  }
});
