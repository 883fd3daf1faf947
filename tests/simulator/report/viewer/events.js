// @ts-check
/**
 * Everything that happened, one line each, in the order in which it did.
 *
 * @module
 */
import { shownMs } from "./model.js";

/** @typedef {import("../recording.ts").Recording} Recording */
/** @typedef {import("../recording.ts").RecordedMessage} RecordedMessage */
/** @typedef {import("../recording.ts").RecordedServer} RecordedServer */
/** @typedef {import("../recording.ts").ServerState} ServerState */

/** What can be shown and hidden. */
/** @typedef {"election" | "append" | "heartbeat" | "response" | "snapshot" | "shell" | "state" | "note" | "disk" | "client" | "fault" | "verdict"} EventClass */

/**
 * @typedef {object} Event
 * @property {number} at
 * @property {EventClass} class
 * @property {string} who the server or client whose event it is
 * @property {string} text
 * @property {boolean} isBad something that went wrong or got lost
 */

/** Among what happens at one moment causes stand before effects. */
const RANKS = {
  fault: 0,
  arrival: 1,
  stable: 2,
  asked: 3,
  state: 4,
  note: 5,
  write: 6,
  sending: 7,
  answered: 8,
  verdict: 9,
};

/**
 * How a state differs from the one before.
 *
 * @param {ServerState | null} was
 * @param {ServerState} is
 * @returns {string}
 */
export function changeText(was, is) {
  if (was === null) {
    return `starts as ${is.role} T${is.term}, log ends ${is.lastIndex}/T${is.lastTerm}, commit ${is.commitIndex}, snapshot ${is.snapshotIndex}`;
  }
  const parts = [];
  if (was.role !== is.role) parts.push(`becomes ${is.role} of T${is.term}`);
  else if (was.term !== is.term) parts.push(`enters T${is.term}`);
  if (was.votedFor !== is.votedFor && is.votedFor !== null) {
    parts.push(`votes for ${is.votedFor} in T${is.term}`);
  }
  if (was.leaderId !== is.leaderId) {
    parts.push(is.leaderId === null ? "knows no leader" : `follows ${is.leaderId}`);
  }
  if (was.lastIndex !== is.lastIndex || was.lastTerm !== is.lastTerm) {
    parts.push(`log ${was.lastIndex}/T${was.lastTerm} \u2192 ${is.lastIndex}/T${is.lastTerm}`);
  }
  if (was.durableIndex !== is.durableIndex) {
    parts.push(`durable ${was.durableIndex} \u2192 ${is.durableIndex}`);
  }
  if (was.commitIndex !== is.commitIndex) parts.push(`commit ${was.commitIndex} \u2192 ${is.commitIndex}`);
  if (was.snapshotIndex !== is.snapshotIndex) {
    parts.push(`snapshot ${was.snapshotIndex} \u2192 ${is.snapshotIndex}`);
  }
  return parts.length === 0 ? "goes on" : parts.join(", ");
}

/**
 * @param {RecordedMessage} message
 * @returns {[number, Event][]}
 */
function eventsOfMessage({ at, receivedAt, from, to, class: kind, text, isCopy }) {
  /** @type {[number, Event][]} */
  const events = [];
  if (!isCopy) {
    const fate = receivedAt === null ? "  \u2715 never arrives" : `  (+${shownMs(receivedAt - at)} ms)`;
    events.push([RANKS.sending, {
      at,
      class: kind,
      who: from,
      text: `\u2192 ${to}  ${text}${fate}`,
      isBad: receivedAt === null,
    }]);
  }
  if (receivedAt !== null) {
    const copy = isCopy ? "  (once more)" : "";
    events.push([RANKS.arrival, {
      at: receivedAt,
      class: kind,
      who: to,
      text: `\u2190 ${from}  ${text}${copy}`,
      isBad: isCopy,
    }]);
  }
  return events;
}

/**
 * @param {RecordedServer} server
 * @returns {[number, Event][]}
 */
function eventsOfServer({ id, states, lives, writes }) {
  /** @type {[number, Event][]} */
  const events = [];
  const starts = new Set(lives.map(({ from }) => from));
  states.forEach((state, i) => {
    const was = starts.has(state.at) && states[i - 1]?.at !== state.at ? null : states[i - 1] ?? null;
    events.push([RANKS.state, {
      at: state.at,
      class: "state",
      who: id,
      text: changeText(was, state),
      isBad: false,
    }]);
  });
  for (const { from, to, why } of lives) {
    if (states.every(({ at }) => at !== from)) {
      events.push([RANKS.state, {
        at: from,
        class: "state",
        who: id,
        text: "starts, as it was",
        isBad: false,
      }]);
    }
    if (to !== null) {
      events.push([RANKS.fault, { at: to, class: "state", who: id, text: `ends: ${why}`, isBad: true }]);
    }
  }
  for (const { at, stableAt, number, text } of writes) {
    const fate = stableAt === null ? "  \u2715 never durable" : `  (+${shownMs(stableAt - at)} ms)`;
    events.push([RANKS.write, {
      at,
      class: "disk",
      who: id,
      text: `disk #${number}: ${text || "nothing"}${fate}`,
      isBad: stableAt === null,
    }]);
    if (stableAt !== null) {
      events.push([RANKS.stable, {
        at: stableAt,
        class: "disk",
        who: id,
        text: `disk #${number} is durable`,
        isBad: false,
      }]);
    }
  }
  return events;
}

/**
 * @param {Recording} recording
 * @returns {Event[]}
 */
export function eventsOf(recording) {
  const { messages, servers, strikes, operations, notes, healedAt, core, verdict, reason, endedAt } =
    recording;
  /** @type {[number, Event][]} */
  const events = [...messages.flatMap(eventsOfMessage), ...servers.flatMap(eventsOfServer)];
  for (const { at, server, text } of notes) {
    events.push([RANKS.note, {
      at,
      class: "note",
      who: server,
      text,
      isBad: /^(?:objects|halts|does not come up)/.test(text),
    }]);
  }
  for (const { at, name, whom, forMs, what, rows } of strikes) {
    const lasts = forMs > 0 ? ` for ${shownMs(forMs, 0)} ms` : "";
    events.push([RANKS.fault, {
      at,
      class: "fault",
      who: name,
      text: `${whom}${lasts}: ${what} (${rows})`,
      isBad: true,
    }]);
  }
  for (const { at, client, server, text, answeredAt, outcome, reply } of operations) {
    const who = `client ${client}`;
    events.push([RANKS.asked, { at, class: "client", who, text: `asks ${server}  ${text}`, isBad: false }]);
    if (answeredAt === null) continue;
    const isBad = outcome !== "ok";
    const told = `${isBad ? `${outcome}: ` : ""}${reply}`;
    const took = `(${shownMs(answeredAt - at)} ms)`;
    events.push([RANKS.answered, {
      at: answeredAt,
      class: "client",
      who,
      text: `\u2190 ${server}  ${text} \u2192 ${told}  ${took}`,
      isBad,
    }]);
  }
  if (healedAt !== null) {
    events.push([RANKS.fault, {
      at: healedAt,
      class: "fault",
      who: "healed",
      text: `the faults are over; the core is ${core.join(", ")}`,
      isBad: false,
    }]);
  }
  const last = verdict === "held" ? "everything held" : `${verdict}: ${reason.join("; ")}`;
  events.push([RANKS.verdict, {
    at: endedAt,
    class: "verdict",
    who: "verdict",
    text: last,
    isBad: verdict !== "held",
  }]);
  return events.map(([rank, event], place) => ({ rank, event, place }))
    .sort((a, b) => a.event.at - b.event.at || a.rank - b.rank || a.place - b.place)
    .map(({ event }) => event);
}

/**
 * Whether an event has every one of these words in it.
 *
 * @param {{ who: string, text: string }} event
 * @param {readonly string[]} words in small letters
 * @returns {boolean}
 */
export function hasWords({ who, text }, words) {
  if (words.length === 0) return true;
  const all = `${who} ${text}`.toLowerCase();
  return words.every((word) => all.includes(word));
}

/**
 * Where an event with a certain property is, searched from a moment on, forwards or backwards; `null` if there is none.
 *
 * @param {readonly Event[]} events
 * @param {number} from
 * @param {1 | -1} direction
 * @param {(event: Event) => boolean} is
 * @returns {Event | null}
 */
export function nextEvent(events, from, direction, is) {
  const inOrder = direction === 1 ? events : events.toReversed();
  return inOrder.find((event) => (event.at - from) * direction > 0.0005 && is(event)) ?? null;
}

/** Moments that somebody who looks for a bug goes to, by name. */
/** @type {Readonly<Record<string, (event: Event) => boolean>>} */
export const landmarks = {
  "leaders": ({ class: kind, text }) => kind === "state" && text.startsWith("becomes leader"),
  "faults": ({ class: kind }) => kind === "fault",
  "starts and ends": ({ class: kind, text }) => kind === "state" && /^(?:starts|ends)/.test(text),
  "votes": ({ class: kind, text }) => kind === "state" && text.includes("votes for"),
  "log cuts": ({ class: kind, text }) => kind === "disk" && text.includes("log cut"),
  "unknown or refused": ({ class: kind, isBad }) => kind === "client" && isBad,
  "objections and failed starts": ({ class: kind, isBad }) => kind === "note" && isBad,
};
