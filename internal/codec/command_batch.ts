/**
 * What one log entry of kind `command` carries: one or more commands for the state machine, in order.
 *
 * The commands that reach a leader in one turn of its loop share an entry, so that the cost of an entry (its header, its
 * checksum, its place in every message and in every queue) is paid once for all of them.
 *
 * | bytes | what |
 * | --- | --- |
 * | 4, then n | length of the first command, little-endian, then the command |
 * | 4, then n | the same for the next one, to the end of the payload |
 *
 * @module
 */

const LENGTH_BYTES = 4;

/** Puts commands into one payload. */
export function encodeCommandBatch(commands: readonly Uint8Array[]): Uint8Array {
  const total = commands.reduce((sum, command) => sum + LENGTH_BYTES + command.length, 0);
  const payload = new Uint8Array(total);
  let at = 0;
  for (const command of commands) {
    payload[at] = command.length & 0xff;
    payload[at + 1] = (command.length >>> 8) & 0xff;
    payload[at + 2] = (command.length >>> 16) & 0xff;
    payload[at + 3] = command.length >>> 24;
    payload.set(command, at + LENGTH_BYTES);
    at += LENGTH_BYTES + command.length;
  }
  return payload;
}

/** The commands of a payload, as views of it; or, where its lengths do not add up, the reason as a text. */
export function decodeCommandBatch(payload: Uint8Array): Uint8Array[] | string {
  const commands: Uint8Array[] = [];
  let at = 0;
  while (at < payload.length) {
    if (payload.length - at < LENGTH_BYTES) {
      return `${payload.length - at} bytes are left where a length has ${LENGTH_BYTES}`;
    }
    const length = (byteAt(payload, at) | byteAt(payload, at + 1) << 8 | byteAt(payload, at + 2) << 16 |
      byteAt(payload, at + 3) << 24) >>> 0;
    at += LENGTH_BYTES;
    if (length > payload.length - at) return `a command has ${length} bytes, ${payload.length - at} are left`;
    commands.push(payload.subarray(at, at + length));
    at += length;
  }
  return commands;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
