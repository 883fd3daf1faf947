/**
 * All mutants there are.
 *
 * Keeps true: the groups are those of the bug catalogue, in its order.
 *
 * @module
 */
import { electionMutants } from "./elections.ts";
import { membershipMutants } from "./membership.ts";
import type { Mutant } from "./mutant.ts";
import { nodeMutants } from "./node.ts";
import { readMutants } from "./reads.ts";
import { replicationMutants } from "./replication.ts";
import { snapshotMutants } from "./snapshots.ts";
import { storageMutants } from "./storage.ts";
import { transferMutants } from "./transfer.ts";
import { wireMutants } from "./wire.ts";

export const mutantGroups: readonly { readonly title: string; readonly mutants: readonly Mutant[] }[] = [
  { title: "Elections", mutants: electionMutants },
  { title: "Replication", mutants: replicationMutants },
  { title: "Reads", mutants: readMutants },
  { title: "Snapshots", mutants: snapshotMutants },
  { title: "Members", mutants: membershipMutants },
  { title: "Transfer", mutants: transferMutants },
  { title: "Storage", mutants: storageMutants },
  { title: "Wire", mutants: wireMutants },
  { title: "Node and clients", mutants: nodeMutants },
];

export const allMutants: readonly Mutant[] = mutantGroups.flatMap(({ mutants }) => mutants);
