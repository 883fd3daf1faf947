/**
 * Kind: unit (tables).
 *
 * Invariant: server i of a demo serves clients on the base port + i - 1 and peers 100 above, keeps its data below the demo's, knows all the
 * others, and is told nothing that `serve` refuses.
 *
 * Learnt: what the demo writes and what `serve` reads are held together here by giving the one to the other.
 */
import { assertEquals } from "@std/assert";
import { demoServers } from "../../cmd/demo.ts";
import { readServeOptions } from "../../cmd/serve_options.ts";

for (const [nodes, basePort] of [[1, 7001], [3, 7001], [5, 8001], [9, 65_426], [9, 1]] as const) {
  Deno.test(`${nodes} servers from port ${basePort} fit together`, () => {
    const servers = demoServers(nodes, basePort, "./demo", "lan", "warn");
    assertEquals(servers.map(({ id }) => id), Array.from({ length: nodes }, (_, i) => `n${i + 1}`));
    const ports = servers.flatMap(({ clientPort, peerPort }) => [clientPort, peerPort]);
    assertEquals(new Set(ports).size, 2 * nodes, "no port twice");
    assertEquals(Math.max(...ports) <= 65_535, true);
    const members = servers.map(({ id, peerPort }) => ({
      id,
      address: { host: "127.0.0.1", port: peerPort },
    }));
    for (const [i, { id, clientPort, peerPort, data, args }] of servers.entries()) {
      assertEquals([clientPort, peerPort, data], [basePort + i, basePort + 100 + i, `./demo/${id}`]);
      const [command, ...rest] = args;
      assertEquals(command, "serve");
      const options = readServeOptions(rest);
      assertEquals(
        [options.id, options.data, options.client.port, options.peer.port, options.members],
        [id, data, clientPort, peerPort, members],
      );
      assertEquals([options.client.host, options.peer.host], ["127.0.0.1", "127.0.0.1"], "loopback only");
      assertEquals([options.exitWithParent, options.logLevel], [true, "warn"]);
      assertEquals(options.settings.heartbeatMs, 50);
    }
  });
}

Deno.test("profile, data and log level are passed on as they are", () => {
  const [server] = demoServers(1, 7001, "/a b/c=d", "wan", "info");
  const options = readServeOptions(server?.args.slice(1) ?? []);
  assertEquals([options.data, options.settings.heartbeatMs, options.logLevel], ["/a b/c=d/n1", 100, "info"]);
});
