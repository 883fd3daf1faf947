/**
 * Runs a test's body on a cluster of its own, and shows what the servers said when it fails.
 *
 * @module
 */
import { Cluster, type Program } from "./harness.ts";

export async function onCluster(
  programs: readonly Program[],
  body: (cluster: Cluster) => Promise<void>,
  { profile = "lan", moreArgs = [] }: {
    readonly profile?: Cluster["profile"];
    readonly moreArgs?: readonly string[];
  } = {},
): Promise<void> {
  const cluster = await Cluster.prepare(programs);
  cluster.profile = profile;
  cluster.moreArgs = () => moreArgs;
  try {
    for (const { id } of cluster.plans) cluster.launch(id);
    await cluster.leader();
    await body(cluster);
  } catch (cause) {
    const said = [...cluster.running].map(([id, { stderr }]) => `--- ${id}\n${stderr.slice(-3000)}`).join(
      "\n",
    );
    throw new Error(`the servers said:\n${said}`, { cause });
  } finally {
    await cluster.stop();
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
