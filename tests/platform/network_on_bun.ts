/**
 * The contract of `Network`, asked of Bun: `bun tests/platform/network_on_bun.ts`. Prints a line for each case.
 *
 * @module
 */
import process from "node:process";
import { BunNetwork } from "../../internal/host/bun_network.ts";
import { bunSockets } from "../../internal/host/bun_sockets.ts";
import { TcpNetwork } from "../../internal/host/tcp_network.ts";
import type { Address, Network } from "../../internal/platform/network.ts";
import { onLoopback } from "./network_bench.ts";
import { contract } from "./network_contract.ts";
import { tcpContract } from "./tcp_contract.ts";

async function main(): Promise<void> {
  if (bunSockets === null) throw new Error("This is not Bun");
  const networks: readonly (readonly [name: string, network: Network])[] = [
    ["node:net", new TcpNetwork()],
    ["Bun's own", new BunNetwork(bunSockets, new TcpNetwork())],
  ];
  for (const [name, network] of networks) {
    for (const { what, run } of [...contract, ...tcpContract]) {
      try {
        await onLoopback(network, run);
        console.log(`ok: ${name}: ${what}`);
      } catch (error) {
        console.log(`FAILED: ${name}: ${what}: ${error instanceof Error ? error.stack : error}`);
        process.exitCode = 1;
      }
    }
  }
  await thrownIsNotLost(new BunNetwork(bunSockets, new TcpNetwork()));
}

/** What an event throws reaches whoever catches what nobody caught. */
async function thrownIsNotLost(network: Network): Promise<void> {
  const caught: string[] = [];
  let changed = () => {};
  process.on("uncaughtException", (error) => {
    caught.push(error.message);
    changed();
  });
  for (const where of ["accept", "open", "data", "end", "drain", "close", "refused"]) {
    const once = new Promise<void>((resolve) => changed = resolve);
    await throwIn(network, where);
    await once;
    console.log(`${caught.splice(0).join() === where ? "ok: " : "FAILED: "}thrown in ${where}`);
  }
  process.exit();
}

/** Makes a connection whose events throw there. */
async function throwIn(network: Network, where: string): Promise<void> {
  const here = (event: string) => {
    if (event === where) throw new Error(where);
  };
  const nothing = () => {};
  const address = await new Promise<Address>((resolve, reject) => {
    const listener = network.listen({ host: "127.0.0.1", port: 0 }, {
      onListening: (bound) => {
        if (where === "refused") listener.close();
        resolve(bound);
      },
      onError: reject,
      onConnection: (far) => {
        far.listen({ onOpen: nothing, onData: nothing, onEnd: nothing, onDrain: nothing, onClose: nothing });
        if (where === "data") far.write(Uint8Array.of(1));
        if (where === "end") far.end();
        if (where === "close") far.close();
        here("accept");
      },
    });
  });
  const near = network.connect(address);
  near.listen({
    onOpen: () => {
      if (where === "drain") near.write(new Uint8Array(16 * 1024 * 1024));
      here("open");
    },
    onData: () => here("data"),
    onEnd: () => {
      if (where === "close") near.close();
      here("end");
    },
    onDrain: () => here("drain"),
    onClose: () => {
      here("close");
      here("refused");
    },
  });
}

await main();
