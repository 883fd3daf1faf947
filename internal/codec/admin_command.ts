/**
 * What an operator asks of the cluster, as words: `RAFT ADD n4 10.0.0.4:7101` and so on, with `RAFT` left out.
 *
 * | words | meaning |
 * | --- | --- |
 * | `ADD ID HOST:PORT [LEARNER] [PRIORITY N]` | a new server; it becomes a voter by itself once it has caught up, unless it is to stay a learner |
 * | `REMOVE ID` | a member goes |
 * | `REPLACE OLD NEW HOST:PORT` | a new server takes the place of a voter, in one step, once it has caught up |
 * | `PROMOTE ID`, `DEMOTE ID` | a learner becomes a voter, a voter becomes a learner |
 * | `PRIORITY ID N` | whoever has a higher one is preferred as leader; 0 never leads |
 * | `TRANSFER [ID]` | the lead goes to that voter, or to whoever is fit |
 *
 * `IF N` behind a change of members makes it only if the configuration is that of index N.
 *
 * @module
 */
import { parseAddress } from "../base/address.ts";

export type AdminCommand =
  | {
    readonly kind: "add";
    readonly id: string;
    readonly address: string;
    readonly promote: boolean;
    readonly priority: number;
    /** The voter whose place it takes; `null` for none. */
    readonly replaces: string | null;
    readonly ifIndex: number | null;
  }
  | {
    readonly kind: "remove" | "promote" | "demote";
    readonly id: string;
    readonly ifIndex: number | null;
  }
  | {
    readonly kind: "priority";
    readonly id: string;
    readonly priority: number;
    readonly ifIndex: number | null;
  }
  | { readonly kind: "transfer"; readonly to: string | null };

const PRIORITY_DEFAULT = 100;
const PRIORITY_MAX = 1000;

/** The command, or why the words are none. */
export function parseAdminCommand(words: readonly string[]): AdminCommand | string {
  const [name = "", ...given] = words;
  const kind = name.toUpperCase();
  const { rest, ifIndex, priority, isLearner, objection } = optionsOf(given);
  if (objection !== null) return objection;
  const [first, second, third] = rest;
  const takes = (count: number) => rest.length === count && rest.every((word) => word !== "");
  const onlyFor = (allowed: boolean, what: string) => allowed ? null : `${what} does not belong to ${kind}`;
  const misplaced = onlyFor(kind === "ADD" || !isLearner, "LEARNER") ??
    onlyFor(kind === "ADD" || priority === null, "PRIORITY") ??
    onlyFor(kind !== "TRANSFER" || ifIndex === null, "IF");
  switch (kind) {
    case "ADD":
      if (first === undefined || second === undefined || !takes(2)) return "ADD takes ID HOST:PORT";
      return idObjection(first) ?? addressObjection(second) ?? {
        kind: "add",
        id: first,
        address: second,
        promote: !isLearner,
        priority: priority ?? PRIORITY_DEFAULT,
        replaces: null,
        ifIndex,
      };
    case "REPLACE":
      if (first === undefined || second === undefined || third === undefined || !takes(3)) {
        return "REPLACE takes OLD NEW HOST:PORT";
      }
      return misplaced ?? idObjection(second) ?? addressObjection(third) ?? {
        kind: "add",
        id: second,
        address: third,
        promote: true,
        priority: PRIORITY_DEFAULT,
        replaces: first,
        ifIndex,
      };
    case "REMOVE":
    case "PROMOTE":
    case "DEMOTE":
      if (first === undefined || !takes(1)) return `${kind} takes ID`;
      return misplaced ?? { kind: lowerOf(kind), id: first, ifIndex };
    case "PRIORITY": {
      const number = Number(second);
      if (first === undefined || second === undefined || !takes(2)) return "PRIORITY takes ID N";
      if (!isPriority(second)) return `a priority is a whole number from 0 to ${PRIORITY_MAX}, not ${second}`;
      return misplaced ?? { kind: "priority", id: first, priority: number, ifIndex };
    }
    case "TRANSFER":
      if (rest.length > 1) return "TRANSFER takes an ID, or nothing";
      return misplaced ?? { kind: "transfer", to: first ?? null };
    default:
      return `${kind} is no command of an operator`;
  }
}

function lowerOf(kind: "REMOVE" | "PROMOTE" | "DEMOTE"): "remove" | "promote" | "demote" {
  return kind === "REMOVE" ? "remove" : kind === "PROMOTE" ? "promote" : "demote";
}

/** Whether a text can be the id of a server. */
export function isServerId(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text);
}

function idObjection(id: string): string | null {
  return isServerId(id) ? null : `${id} is no id: 1 to 64 letters, digits, dots, dashes or underscores`;
}

function addressObjection(address: string): string | null {
  return parseAddress(address) === null ? `${address} is no address as HOST:PORT` : null;
}

function isPriority(text: string): boolean {
  return /^\d{1,4}$/.test(text) && Number(text) <= PRIORITY_MAX;
}

interface Options {
  readonly rest: readonly string[];
  readonly ifIndex: number | null;
  readonly priority: number | null;
  readonly isLearner: boolean;
  readonly objection: string | null;
}

/** Takes the words with a name of their own out of the others. */
function optionsOf(words: readonly string[]): Options {
  const rest: string[] = [];
  let [ifIndex, priority]: [number | null, number | null] = [null, null];
  let isLearner = false;
  let objection: string | null = null;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    const value = words[i + 1] ?? "";
    switch (i === 0 ? "" : word.toUpperCase()) {
      case "IF":
        i++;
        if (/^\d{1,15}$/.test(value)) ifIndex = Number(value);
        else objection ??= `IF takes the index of a configuration, not ${value || "nothing"}`;
        break;
      case "PRIORITY":
        i++;
        if (isPriority(value)) priority = Number(value);
        else {objection ??= `a priority is a whole number from 0 to ${PRIORITY_MAX}, not ${
            value || "nothing"
          }`;}
        break;
      case "LEARNER":
        isLearner = true;
        break;
      default:
        rest.push(word);
    }
  }
  return { rest, ifIndex, priority, isLearner, objection };
}
