/**
 * Changing who the members are (dissertation chapter 4): joint consensus, for any change of voters.
 *
 * A change of voters takes two entries. The joint one names the old voters and the new ones, and from when it is appended every
 * decision needs a majority of each (4.3); when it is committed, the leader appends the one that names the new ones alone. A change
 * that touches no vote (a learner comes or goes, an address changes) is one entry. Whoever leads finishes what an earlier leader
 * began (M6).
 *
 * Keeps true:
 *  1. A configuration is in force from when it is appended, and no longer than it stays in the log (M2, M3).
 *  2. One change at a time, and none before the leader committed an entry of its own term (M1, M4): what an earlier leader left
 *     uncommitted is settled first.
 *  3. A refused change says which rule refused it.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import { byId, Configuration, majorityOf } from "./configuration.ts";
import type { ConfigurationChange, RequestId } from "./input.ts";
import type { Outbox } from "./outbox.ts";
import { followMembers } from "./role.ts";
import type { State } from "./state.ts";
import type { ConfigurationValue, LogIndex, Member, ServerId } from "./types.ts";

/** How many servers may vote; more make every write slower and nothing safer. */
const VOTERS_MAX = 9;

/* ---- what is in force ---- */

/** The configuration that stands at `index` is in force from now on. */
export function adoptConfiguration(state: State, index: LogIndex, value: ConfigurationValue): void {
  const configuration = new Configuration(value);
  state.configurations.push({ index, configuration });
  enforce(state);
}

/** The log from `index` on is gone, and with it the configurations that stood there (M3). */
export function rollBackConfiguration(state: State, index: LogIndex): void {
  while (newestOf(state).index >= index && state.configurations.length > 1) state.configurations.pop();
  enforce(state);
}

/** The log begins behind `index` now; of the configurations up to there only the newest can come back in force. */
export function forgetConfigurations(state: State, index: LogIndex): void {
  while ((state.configurations[1]?.index ?? Infinity) <= index) state.configurations.shift();
}

/** A snapshot took the place of the whole log: its configuration is the only one there is (S7). */
export function replaceConfigurations(state: State, index: LogIndex, value: ConfigurationValue): void {
  state.configurations = [{ index, configuration: new Configuration(value) }];
  enforce(state);
}

/** The configuration in force at `index`, and where it stands. */
export function configurationAt(state: State, index: LogIndex): {
  readonly index: LogIndex;
  readonly configuration: Configuration;
} {
  const placed = state.configurations.findLast((one) => one.index <= index);
  return must(placed, "The log knows the configuration at every index from its beginning on");
}

/**
 * Whether we may campaign at all: we vote, or we did before the newest configuration, of which we do not know that it is committed. It may
 * be that only we have it; then nobody is elected without our help, and nobody else can get it from us (4.2.2).
 */
export function mayStand(state: State): boolean {
  return standing(state)?.isVoter(state.id) ?? false;
}

/** What we are where we stand for election; `null` where we may not. */
export function standingOf(state: State): Member | null {
  return standing(state)?.member(state.id) ?? null;
}

/** The configuration by which we may stand for election. */
function standing(state: State): Configuration | null {
  const { configuration, configurationIndex, configurations, commitIndex, id } = state;
  if (configuration.isVoter(id) || configurationIndex <= commitIndex) return configuration;
  return configurations.at(-2)?.configuration ?? null;
}

function newestOf(state: State): State["configurations"][number] {
  return must(state.configurations.at(-1), "There is always a configuration");
}

function enforce(state: State): void {
  const { index, configuration } = newestOf(state);
  state.configuration = configuration;
  state.configurationIndex = index;
  if (state.role === "leader") followMembers(state);
}

/* ---- the leader's side ---- */

/** Somebody wants the members changed. */
export function changeConfiguration(
  state: State,
  requestId: RequestId,
  change: ConfigurationChange,
  ifIndex: LogIndex | null,
  outbox: Outbox,
): void {
  if (state.role !== "leader") return outbox.refused(requestId, "notLeader");
  if (state.transfer !== null) return outbox.refused(requestId, "transferring");
  const objection = objectionToChangingNow(state, ifIndex) ?? objectionToChange(state, change);
  if (objection !== null) return outbox.changeRefused(requestId, objection);
  appendConfiguration(state, changed(state.configuration, change), outbox);
  outbox.accepted(requestId, state.log.lastIndex, 1);
}

/** Which rule forbids any change at the moment. */
function objectionToChangingNow(state: State, ifIndex: LogIndex | null): string | null {
  if (state.commitIndex < state.termStartIndex) {
    return "the leader has not committed an entry of its own term yet; try again";
  }
  if (state.configurationIndex > state.commitIndex || state.configuration.isJoint) {
    return `the change at index ${state.configurationIndex} is not finished; one at a time`;
  }
  if (ifIndex !== null && ifIndex !== state.configurationIndex) {
    return `the configuration is that of index ${state.configurationIndex}, not of ${ifIndex}`;
  }
  return null;
}

function objectionToChange(state: State, change: ConfigurationChange): string | null {
  const { configuration } = state;
  const { voters, learners } = configuration.value;
  switch (change.kind) {
    case "add": {
      const { id, address, replaces } = change.member;
      if (configuration.isMember(id)) return `${id} is a member already`;
      const twin = configuration.members.find((member) => member.address === address && address !== "");
      if (twin !== undefined && twin.id !== replaces) return `${address} is the address of ${twin.id}`;
      if (replaces !== null && !configuration.isVoter(replaces)) {
        return `${replaces} is no voter, so nobody can take its place`;
      }
      if (change.member.promote && replaces === null && voters.length >= VOTERS_MAX) {
        return `${voters.length} servers vote, at most ${VOTERS_MAX} can`;
      }
      return null;
    }
    case "remove":
      if (!configuration.isMember(change.id)) return `${change.id} is no member`;
      if (voters.length === 1 && voters[0] === change.id) return `${change.id} is the last voter`;
      return voters.includes(change.id) ? objectionToVoters(state, without(voters, change.id)) : null;
    case "promote":
      if (!learners.includes(change.id)) return `${change.id} is no learner`;
      return objectionToPromoting(state, change.id) ??
        objectionToVoters(state, votersWith(configuration, change.id));
    case "demote":
      if (!voters.includes(change.id)) return `${change.id} is no voter`;
      if (voters.length === 1) return `${change.id} is the last voter`;
      return objectionToVoters(state, without(voters, change.id));
    case "update": {
      const members = updated(configuration.members, change.members);
      for (const { id, address } of change.members) {
        if (!configuration.isMember(id)) return `${id} is no member`;
        const twin = members.find((member) =>
          member.id !== id && member.address === address && address !== ""
        );
        if (twin !== undefined) return `${address} is the address of ${twin.id}`;
      }
      return null;
    }
  }
}

/** A change must leave voters that can commit right away: a majority of the new ones was heard lately (O10, M14). */
function objectionToVoters(state: State, voters: readonly ServerId[]): string | null {
  if (voters.length > VOTERS_MAX) return `${voters.length} servers would vote, at most ${VOTERS_MAX} can`;
  const silent = voters.filter((id) => !isHeard(state, id));
  if (voters.length - silent.length >= majorityOf(voters.length)) return null;
  return `of the voters ${voters.join(", ")} that would be left, ${silent.join(", ")} did not answer lately`;
}

function isHeard(state: State, id: ServerId): boolean {
  if (id === state.id) return true;
  const heardAt = state.progress.get(id)?.lastHeardAt ?? -Infinity;
  return state.now - heardAt <= state.settings.electionTimeoutMinMs;
}

/** Why a learner is not fit to vote yet; `null` if it is (4.2.1, M14). */
function objectionToPromoting(state: State, id: ServerId): string | null {
  const progress = state.progress.get(id);
  if (progress === undefined) return `${id} gets no log from this leader`;
  if (!progress.wasHeard || !isHeard(state, id)) return `${id} did not answer lately`;
  const gap = state.log.lastIndex - progress.matchIndex;
  if (gap > state.settings.learnerGapMax) {
    return `${id} lacks ${gap} entries, at most ${state.settings.learnerGapMax} may be lacking`;
  }
  return progress.keepsUp ? null : `${id} has not caught up within an election timeout yet`;
}

/** The configuration that a change leads to: joint if the voters change. */
function changed(configuration: Configuration, change: ConfigurationChange): ConfigurationValue {
  const { value } = configuration;
  switch (change.kind) {
    case "add":
      return {
        ...value,
        learners: insert(value.learners, change.member.id),
        members: [...value.members, change.member].sort((a, b) => byId(a.id, b.id)),
      };
    case "remove":
      return value.learners.includes(change.id)
        ? pruned({ ...value, learners: without(value.learners, change.id) })
        : joint(value, without(value.voters, change.id), value.learners);
    case "promote": {
      const voters = votersWith(configuration, change.id);
      const promoted = joint(value, voters, without(value.learners, change.id));
      const settle = (member: Member) =>
        member.id === change.id ? { ...member, promote: false, replaces: null } : member;
      return { ...promoted, members: promoted.members.map(settle) };
    }
    case "demote":
      return joint(value, without(value.voters, change.id), insert(value.learners, change.id));
    case "update":
      return {
        ...value,
        members: updated(value.members, change.members),
      };
  }
}

/** The members, those that are known better now as they are now. */
function updated(members: readonly Member[], news: readonly Member[]): readonly Member[] {
  return members.map((member) => news.find(({ id }) => id === member.id) ?? member);
}

/** The voters once that learner is one of them, in the place of the one that it replaces. */
function votersWith(configuration: Configuration, id: ServerId): readonly ServerId[] {
  const { voters } = configuration.value;
  const replaced = configuration.member(id)?.replaces ?? null;
  return insert(replaced === null ? voters : without(voters, replaced), id);
}

/** From the voters there are to these: both halves count until the joint configuration is committed. */
function joint(
  value: ConfigurationValue,
  voters: readonly ServerId[],
  learners: readonly ServerId[],
): ConfigurationValue {
  return { ...value, voters, outgoing: value.voters, learners };
}

/** What a joint configuration leads to. */
function withoutOutgoing(value: ConfigurationValue): ConfigurationValue {
  return pruned({ ...value, outgoing: [] });
}

/** Without the members that are neither voter nor learner, and without wishes about voters that are gone. */
function pruned(value: ConfigurationValue): ConfigurationValue {
  const named = new Set([...value.voters, ...value.outgoing, ...value.learners]);
  const members = value.members.filter(({ id }) => named.has(id)).map((member) =>
    member.replaces !== null && !named.has(member.replaces) ? { ...member, replaces: null } : member
  );
  return { ...value, members };
}

function without(ids: readonly ServerId[], id: ServerId): readonly ServerId[] {
  return ids.filter((other) => other !== id);
}

function insert(ids: readonly ServerId[], id: ServerId): readonly ServerId[] {
  return [...without(ids, id), id].sort(byId);
}

function appendConfiguration(state: State, configuration: ConfigurationValue, outbox: Outbox): void {
  assert(state.role === "leader", "Only a leader makes entries");
  outbox.append({
    index: state.log.lastIndex + 1,
    term: state.currentTerm,
    kind: "configuration",
    payload: new Uint8Array(0),
    configuration,
    record: null,
  });
}

/** A joint configuration that is committed gives way to the new one. Tells whether it did. */
export function leaveJoint(state: State, outbox: Outbox): boolean {
  const { configuration, configurationIndex, commitIndex, termStartIndex } = state;
  if (state.role !== "leader" || !configuration.isJoint) return false;
  if (configurationIndex > commitIndex || commitIndex < termStartIndex) return false;
  appendConfiguration(state, withoutOutgoing(configuration.value), outbox);
  return true;
}

/**
 * Whether another server leads soon: the lead is being handed over, or we lead only until the members without us are settled. What is asked
 * for now would be left in doubt, so it is refused, for certain.
 */
export function isHandingOver(state: State): boolean {
  return state.transfer !== null || !state.configuration.isVoter(state.id);
}

/** Whether the members without us are settled: then we have led for the last time (4.2.2). */
export function isRemovedLeader(state: State): boolean {
  const { configuration, configurationIndex, commitIndex } = state;
  return state.role === "leader" && !configuration.isVoter(state.id) && configurationIndex <= commitIndex;
}

/** A learner that is to vote, and can: becomes a voter. One at a time. Tells whether one did. */
export function promoteLearner(state: State, outbox: Outbox): boolean {
  if (state.transfer !== null || objectionToChangingNow(state, null) !== null) return false;
  const ready = state.configuration.members.find(({ id, promote }) =>
    promote && objectionToChange(state, { kind: "promote", id }) === null
  );
  if (ready === undefined) return false;
  appendConfiguration(state, changed(state.configuration, { kind: "promote", id: ready.id }), outbox);
  return true;
}
