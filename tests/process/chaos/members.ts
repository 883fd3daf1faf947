/**
 * Changes of the members of an arena, as an operator makes them: asked of any server, again and again, until they are so.
 *
 * Keeps true: one change at a time; who left never comes back with the data it had, nor under the id it had.
 *
 * @module
 */
import { ErrorAnswer } from "../client.ts";
import { eventually } from "../harness.ts";
import type { Arena } from "./arena.ts";

/** A change has to catch up a server, under fire. */
const CHANGE_MS = 40_000;
const ANSWER_MS = 3000;

export interface Members {
  readonly voters: readonly string[];
  readonly learners: readonly string[];
}

/** The members by their places, as the leader knows them; `null` where nobody leads, or a change is under way. */
export async function membersOf(arena: Arena): Promise<Members | null> {
  const leader = await arena.leaderNow();
  if (leader === null) return null;
  const client = await arena.cluster.client(leader);
  try {
    const text = await client.within(1000, client.text("RAFT", "CONFIG"));
    if (!text.includes("settled:1")) return null;
    const standing = (how: string) => {
      const found = [...text.matchAll(new RegExp(`member:id=([^,]+),standing=${how}`, "g"))];
      const names = found.map(([, name]) => name);
      return arena.cluster.plans.map(({ id }) => id).filter((id) =>
        names.includes(arena.cluster.serverId(id))
      );
    };
    return { voters: standing("voter"), learners: standing("learner") };
  } finally {
    client.close();
  }
}

/** Asks the servers in turn, until it is so. Whatever they answer, the configuration tells. */
export async function change(
  arena: Arena,
  words: readonly string[],
  isDone: (members: Members) => boolean,
): Promise<void> {
  const heard: string[] = [];
  let at = 0;
  const looked = async () => {
    const members = await membersOf(arena);
    return members !== null && isDone(members);
  };
  try {
    await eventually(`RAFT ${words.join(" ")} is done`, CHANGE_MS, async () => {
      // Where a server ended by itself the verdict is made, and the change may have to wait for that server.
      if (arena.surprises.length > 0 || await looked()) return true;
      const client = await arena.cluster.client(arena.ids[at++ % arena.ids.length] ?? "");
      try {
        const answer = await client.within(ANSWER_MS, client.send("RAFT", ...words));
        heard.push(answer instanceof ErrorAnswer ? answer.text : String(answer));
      } finally {
        client.close();
      }
      return await looked();
    });
  } catch (cause) {
    throw new Error(`RAFT ${words.join(" ")} is not done: ${heard.slice(-3).join(" | ")}`, { cause });
  }
}

/** A server in an empty place becomes a voter, or takes a voter's place. */
export async function join(arena: Arena, id: string, instead: string | null): Promise<void> {
  arena.occupy(id);
  const { cluster } = arena;
  const name = [cluster.serverId(id), `127.0.0.1:${cluster.plan(id).peerPort}`];
  const words = instead === null ? ["ADD", ...name] : ["REPLACE", cluster.serverId(instead), ...name];
  await change(
    arena,
    words,
    ({ voters, learners }) =>
      voters.includes(id) && (instead === null || ![...voters, ...learners].includes(instead)),
  );
}

export async function leave(arena: Arena, id: string): Promise<void> {
  await change(
    arena,
    ["REMOVE", arena.cluster.serverId(id)],
    ({ voters, learners }) => ![...voters, ...learners].includes(id),
  );
  await arena.vacate(id);
}
