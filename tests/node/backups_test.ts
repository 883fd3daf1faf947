/**
 * Kind: unit (a node's rooms between hands).
 *
 * Invariant: a backup is taken when this server has applied everything that was acknowledged before it was asked for, and not before; a stale
 * one is taken at once and asks nobody; a piece is answered with exactly the bytes that were asked for, or with an error.
 */
import { assertEquals, assertMatch } from "@std/assert";
import type { SnapshotName } from "../../internal/codec/bulk_message.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import { Backups } from "../../internal/node/backups.ts";
import { SnapshotHands } from "./node_stage.ts";

const NAME: SnapshotName = { index: 9, term: 2, bytes: 100, checksum: 77 };

class Stage {
  readonly said: string[] = [];
  readonly answers: Reply[] = [];
  appliedIndex = 5;
  confirm: (index: number | string) => void = () => {};
  apply: () => void = () => {};
  taken: (snapshot: SnapshotName | string) => void = () => {};
  piece: Uint8Array | Error = new Uint8Array(0);
  readonly backups = new Backups({
    room: Object.assign(new SnapshotHands(), {
      read: (_: SnapshotName, offset: number, length: number, done: (result: Uint8Array | Error) => void) => {
        this.said.push(`read ${offset}+${length}`);
        done(this.piece);
      },
    }),
    appliedIndex: () => this.appliedIndex,
    askIndex: (done) => {
      this.said.push("ask");
      this.confirm = done;
    },
    whenApplied: (index, done) => {
      this.said.push(`wait for ${index}`);
      this.apply = done;
    },
    takeSnapshot: (done) => {
      this.said.push("take");
      this.taken = done;
    },
  });
  readonly answer = (reply: Reply) => void this.answers.push(reply);

  text(): string {
    return this.answers.map((reply) => reply.type === "error" ? reply.text : reply.type).join("; ");
  }
}

Deno.test("a backup is taken once everything that was acknowledged before is applied", () => {
  const stage = new Stage();
  stage.backups.prepare(false, stage.answer);
  assertEquals(stage.said, ["ask"]);
  stage.confirm(9);
  assertEquals(stage.said, ["ask", "wait for 9"]);
  stage.apply();
  assertEquals(stage.said, ["ask", "wait for 9", "take"]);
  assertEquals(stage.answers, []);
  stage.taken(NAME);
  const items = [9, 2, 100, 77].map((value) => ({ type: "integer", value }) as const);
  assertEquals(stage.answers, [{ type: "array", items }]);
});

Deno.test("without a leader there is none, but a stale one", () => {
  const stage = new Stage();
  stage.backups.prepare(false, stage.answer);
  stage.confirm("no leader is known");
  assertMatch(stage.text(), /^NOLEADER no leader is known$/);
  stage.backups.prepare(true, stage.answer);
  assertEquals(stage.said, ["ask", "take"]);
  stage.taken("the disk is full");
  assertMatch(stage.text(), /; ERR the disk is full$/);
});

Deno.test("of nothing there is no backup", () => {
  const stage = new Stage();
  stage.appliedIndex = 0;
  stage.backups.prepare(true, stage.answer);
  assertMatch(stage.text(), /^ERR nothing is applied/);
});

Deno.test("a piece is what was asked for, or an error", () => {
  const stage = new Stage();
  stage.piece = new Uint8Array(20);
  stage.backups.read(NAME, 80, 20, stage.answer);
  assertEquals(stage.text(), "bulk");
  stage.backups.read(NAME, 90, 10, stage.answer);
  stage.piece = new Error("it is gone");
  stage.backups.read(NAME, 0, 10, stage.answer);
  stage.backups.read(NAME, 95, 10, stage.answer);
  assertEquals(stage.answers.map(({ type }) => type), ["bulk", "error", "error", "error"]);
  assertEquals(stage.said, ["read 80+20", "read 90+10", "read 0+10"]);
});
