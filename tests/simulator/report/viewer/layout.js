// @ts-check
/**
 * Where the rows of the picture are: the axis, the faults, a lane for each server, a lane for each client.
 *
 * @module
 */
import { packRows } from "./view.js";

/** @typedef {import("../recording.ts").Recording} Recording */
/** @typedef {import("../recording.ts").RecordedOperation} RecordedOperation */
/** @typedef {import("../recording.ts").RecordedServer} RecordedServer */
/** @typedef {import("../recording.ts").RecordedStrike} RecordedStrike */

/**
 * @typedef {object} ServerLane
 * @property {RecordedServer} server
 * @property {number} top
 * @property {number} middle of the band
 * @property {number} height
 */

/**
 * @typedef {object} ClientLane
 * @property {number} client
 * @property {number} top
 * @property {number} height
 * @property {number} bar the height of one bar
 * @property {{ operation: RecordedOperation, row: number }[]} operations
 */

/**
 * @typedef {object} Layout
 * @property {number} left where time begins
 * @property {number} right
 * @property {number} height
 * @property {number} faultsTop
 * @property {{ strike: RecordedStrike, row: number }[]} faults
 * @property {number} faultRows
 * @property {ServerLane[]} servers
 * @property {ClientLane[]} clients
 */

export const AXIS = 26;
export const FAULT_ROW = 17;
export const BAND = 18;
export const LEFT = 74;
const FAULT_ROWS_MAX = 4;
const LANE_LEAST = 62;
const LANE_MOST = 140;
/** How tall a bar of a client is: the first that leaves the lanes of the servers enough room. */
const CLIENT_BARS = [13, 11, 8, 6];
const LANE_COMFORTABLE = 92;
const LANE_GAP = 4;
const PIPELINE_MOST = 4;
/** A strike that is over at once is this long in the picture when rows are given out. */
const BLINK_MS = 150;

/**
 * @param {Recording} recording
 * @param {number} width
 * @param {number} height that there is
 * @returns {Layout}
 */
export function layoutOf({ strikes, servers, clients, operations, endedAt }, width, height) {
  const packed = packRows(
    strikes.map(({ at, forMs }) => ({ from: at, to: at + Math.max(forMs, BLINK_MS) })),
    FAULT_ROWS_MAX,
  );
  const faultsTop = AXIS + 4;
  const faultRows = strikes.length === 0 ? 0 : packed.count;
  const lanes = clients.map((client) => {
    const own = operations.filter((one) => one.client === client);
    const rows = packRows(
      own.map(({ at, answeredAt }) => ({ from: at, to: answeredAt ?? endedAt })),
      PIPELINE_MOST,
    );
    return { client, own, rows };
  });
  const serversTop = faultsTop + faultRows * FAULT_ROW + 10;
  const clientsHeight = (/** @type {number} */ bar) =>
    lanes.reduce((sum, { rows }) => sum + rows.count * (bar + 1) + LANE_GAP, 0);
  const roomWith = (/** @type {number} */ bar) =>
    (height - serversTop - clientsHeight(bar) - 14) / Math.max(1, servers.length);
  const bar = CLIENT_BARS.find((one) => roomWith(one) >= LANE_COMFORTABLE) ?? CLIENT_BARS.at(-1) ?? 1;
  const laneHeight = Math.floor(Math.min(Math.max(roomWith(bar), LANE_LEAST), LANE_MOST));
  let top = serversTop + servers.length * laneHeight + 6;
  return {
    left: LEFT,
    right: width - 8,
    faultsTop,
    faults: strikes.map((strike, i) => ({ strike, row: packed.rows[i] ?? 0 })),
    faultRows,
    servers: servers.map((server, i) => ({
      server,
      top: serversTop + i * laneHeight,
      middle: serversTop + (i + 0.5) * laneHeight,
      height: laneHeight,
    })),
    clients: lanes.map(({ client, own, rows }) => {
      const placed = {
        client,
        top,
        bar,
        height: rows.count * (bar + 1) + LANE_GAP,
        operations: own.map((operation, i) => ({ operation, row: rows.rows[i] ?? 0 })),
      };
      top += placed.height;
      return placed;
    }),
    height: Math.max(top + 6, height),
  };
}
