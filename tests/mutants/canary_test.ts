/**
 * Kind: integration (the tests are run on changed sources).
 *
 * Invariant: the canary dies: with the best known bug of all put back (an entry of an earlier term is committed by counting copies,
 * Figure 3.7), the test of that name fails, and passes without it. So what says "killed" in docs/mutants.md can say "survived".
 *
 * Learnt: a mutant that does not even parse makes every test fail and shows nothing; such a one is neither killed nor alive. And a
 * killer that fails without any mutant was once taken for a success.
 */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { must } from "../../internal/base/assert.ts";
import { allMutants } from "../../tools/mutants/table.ts";
import { Workshop } from "../../tools/mutants/workshop.ts";

const CANARY = must(
  allMutants.find(({ name }) => name === "commit-of-earlier-term"),
  "The canary is one of the mutants",
);

const root = fileURLToPath(new URL("../..", import.meta.url));

Deno.test("the canary is killed, what changes nothing survives, and what is no program is neither", () => {
  const workshop = new Workshop(root);
  try {
    assertEquals(workshop.unsound([CANARY.killer]), [], "without a mutant the test passes");
    const verdictOn = (replace: string) =>
      workshop.with({ ...CANARY, replace }, () => workshop.run(CANARY.killer));
    const verdict = verdictOn(CANARY.replace);
    assert(verdict.kind === "killed" && verdict.by.startsWith("L1: "), JSON.stringify(verdict));
    assertEquals(verdictOn(`${CANARY.find}  // As it was.\n`), { kind: "survived", ran: 1 });
    assertEquals(verdictOn(`${CANARY.find}  )\n`).kind, "unclear");
    assertEquals(verdictOn(`  nobodyKnowsThis();\n`).kind, "unclear");
    const missing = { ...CANARY.killer, test: "L1: there is no such test" };
    assertEquals(workshop.unsound([missing]), [missing]);
  } finally {
    workshop.close();
  }
});
