/**
 * The Castagnoli checksum in WebAssembly: four sums side by side, put together at the end.
 *
 * A sum waits for its own last step, so a processor that could do four steps at a time does one. Where bytes are cut into four parts
 * of the same length, each part has a sum of its own; a sum goes over the zeros that stand for the parts behind it by a table, since every
 * step is linear. Each step takes eight bytes by eight tables ("slicing by 8", Kounavis and Berry 2005).
 *
 * The module is put together here, from its instructions, and has nothing but this one function and its memory:
 *
 * | bytes of memory | what |
 * | --- | --- |
 * | 8192 | the tables of a step |
 * | 4096 | what 2048 zeros do to a sum, for each of its bytes |
 * | 4096 | the same for 256 zeros |
 * | from 65536 on | the bytes to be summed up |
 *
 * Source: the WebAssembly core specification, for the binary format.
 *
 * @module
 */

/** The polynomial, bits reversed. */
export const CASTAGNOLI = 0x82f63b78;

/** Goes on with a sum, over these bytes. */
export type SumOn = (sum: number, bytes: Uint8Array) => number;

const PAGE_BYTES = 65_536;
const DATA_PAGES = 2;
const STEP_TABLES = 0;
const TABLE_BYTES = 1024;
/** How long one of the four parts is, and where it stands what so many zeros do. */
const WIDE = { bytes: 2048, table: 8192 } as const;
const NARROW = { bytes: 256, table: 12_288 } as const;

type Lane = typeof WIDE | typeof NARROW;
type Code = readonly number[];

/** Parameters and variables of the function. */
const [STATE, AT, LENGTH, SECOND, THIRD, FOURTH, LOW, HIGH, STOP] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;

const [I32, BLOCK, LOOP, BRANCH, BRANCH_IF, END] = [0x7f, 0x02, 0x03, 0x0c, 0x0d, 0x0b] as const;
const NO_RESULT = 0x40;
const [IS_ZERO, DIFFERS, IS_BELOW] = [[0x45], [0x47], [0x49]] as const;
const [ADD, SUBTRACT, AND, XOR, LEFT, RIGHT] = [[0x6a], [0x6b], [0x71], [0x73], [0x74], [0x76]] as const;

/** Seven bits a byte, lowest first; the last byte of a positive number has its second highest bit clear where there is a sign. */
function leb128(value: number, hasSign: boolean): Code {
  const bytes: number[] = [];
  let left = value;
  while (left > (hasSign ? 63 : 127)) {
    bytes.push((left & 127) | 128);
    left >>>= 7;
  }
  return [...bytes, left];
}

const get = (variable: number): Code => [0x20, variable];
const set = (variable: number): Code => [0x21, variable];
const tee = (variable: number): Code => [0x22, variable];
const number = (value: number): Code => [0x41, ...leb128(value, true)];
/** A word at the address on the stack and so many bytes more, which may lie anywhere, or at a multiple of four. */
const loadAnywhere = (offset: number): Code => [0x28, 0, ...leb128(offset, false)];
const load = (offset: number): Code => [0x28, 2, ...leb128(offset, false)];
const loadByte: Code = [0x2d, 0, 0];
const move = (
  variable: number,
  by: number,
): Code => [...get(variable), ...number(by), ...ADD, ...set(variable)];
const shorten = (by: number): Code => [...get(LENGTH), ...number(by), ...SUBTRACT, ...set(LENGTH)];

/** Does it again and again until the condition, of what is on the stack, holds. */
function until(condition: Code, code: Code): Code {
  return [
    ...[BLOCK, NO_RESULT, LOOP, NO_RESULT, ...condition, BRANCH_IF, 1],
    ...[...code, BRANCH, 0, END, END],
  ];
}

/** Four times a byte of a word: its place in a table. */
function placeOf(word: number, byte: number): Code {
  if (byte === 0) return [...get(word), ...number(255), ...AND, ...number(2), ...LEFT];
  if (byte === 3) return [...get(word), ...number(24), ...RIGHT, ...number(2), ...LEFT];
  return [...get(word), ...number(8 * byte - 2), ...RIGHT, ...number(1020), ...AND];
}

/** The next eight bytes, `offset` behind the place, to one of the sums. */
function step(sum: number, offset: number): Code {
  const code: number[] = [
    ...[...get(AT), ...loadAnywhere(offset), ...get(sum), ...XOR, ...set(LOW)],
    ...[...get(AT), ...loadAnywhere(offset + 4), ...set(HIGH)],
  ];
  for (let i = 0; i < 8; i++) {
    code.push(...placeOf(i < 4 ? LOW : HIGH, i % 4), ...load(STEP_TABLES + TABLE_BYTES * (7 - i)));
    if (i > 0) code.push(...XOR);
  }
  return [...code, ...set(sum)];
}

/** The first sum behind another part of the bytes, whose own sum from nothing is there. */
function joined(table: number, other: number): Code {
  const code: number[] = [];
  for (let i = 0; i < 4; i++) {
    code.push(...placeOf(STATE, i), ...load(table + TABLE_BYTES * i), ...i > 0 ? XOR : []);
  }
  return [...code, ...get(other), ...XOR, ...set(STATE)];
}

/** As long as there are four parts of that length. */
function lanes({ bytes, table }: Lane): Code {
  return until([...get(LENGTH), ...number(4 * bytes), ...IS_BELOW], [
    ...[SECOND, THIRD, FOURTH].flatMap((sum) => [...number(0), ...set(sum)]),
    ...[...get(AT), ...number(bytes), ...ADD, ...set(STOP), LOOP, NO_RESULT],
    ...[STATE, SECOND, THIRD, FOURTH].flatMap((sum, i) => step(sum, i * bytes)),
    ...[...get(AT), ...number(8), ...ADD, ...tee(AT), ...get(STOP), ...DIFFERS, BRANCH_IF, 0, END],
    ...[SECOND, THIRD, FOURTH].flatMap((sum) => joined(table, sum)),
    ...[...move(AT, 3 * bytes), ...shorten(4 * bytes)],
  ]);
}

const EIGHT_BYTES: Code = until([...get(LENGTH), ...number(8), ...IS_BELOW], [
  ...[...step(STATE, 0), ...move(AT, 8), ...shorten(8)],
]);

const ONE_BYTE: Code = until([...get(LENGTH), ...IS_ZERO], [
  ...[
    ...get(STATE),
    ...get(AT),
    ...loadByte,
    ...XOR,
    ...number(255),
    ...AND,
    ...number(2),
    ...LEFT,
    ...load(STEP_TABLES),
  ],
  ...[...get(STATE), ...number(8), ...RIGHT, ...XOR, ...set(STATE), ...move(AT, 1), ...shorten(1)],
]);

function section(id: number, content: Code): Code {
  return [id, ...leb128(content.length, false), ...content];
}

function nameOf(text: string): Code {
  return [text.length, ...new TextEncoder().encode(text)];
}

/** The module, to be compiled. */
export function moduleBytes(): Uint8Array<ArrayBuffer> {
  const variables = STOP - LENGTH;
  const code = [...lanes(WIDE), ...lanes(NARROW), ...EIGHT_BYTES, ...ONE_BYTE, ...get(STATE), END];
  const body = [1, variables, I32, ...code];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 3, I32, I32, I32, 1, I32]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1 + DATA_PAGES]),
    ...section(7, [2, ...nameOf("memory"), 2, 0, ...nameOf("sum"), 0, 0]),
    ...section(10, [1, ...leb128(body.length, false), ...body]),
  ]);
}

type Sum = (state: number, at: number, length: number) => number;

function isSum(value: unknown): value is Sum {
  return typeof value === "function";
}

/** Makes an instance of the module ready. */
export function sumOnBy({ exports: { memory, sum } }: WebAssembly.Instance): SumOn {
  if (!(memory instanceof WebAssembly.Memory) || !isSum(sum)) {
    throw new Error("The module exports its memory and its function");
  }
  fillTables(new Int32Array(memory.buffer));
  const data = new Uint8Array(memory.buffer, PAGE_BYTES);
  return (state, bytes) => {
    let now = state;
    for (let at = 0; at < bytes.length; at += data.length) {
      const part = bytes.length <= data.length ? bytes : bytes.subarray(at, at + data.length);
      data.set(part);
      now = sum(now, PAGE_BYTES, part.length);
    }
    return now;
  };
}

function fillTables(words: Int32Array): void {
  words.set(stepTables(CASTAGNOLI, 8));
  // What zeros do to a sum is the sum, bit by bit, of what they do to each bit.
  const bits = Array.from({ length: 32 }, (_, i) => 1 << i);
  const zeroByte = (sum: number) => (words[sum & 255] ?? 0) ^ (sum >>> 8);
  const behindNarrow = bits.map((bit) => times(NARROW.bytes, zeroByte, bit));
  const narrow = fillShift(words, NARROW.table, behindNarrow);
  fillShift(words, WIDE.table, bits.map((bit) => times(WIDE.bytes / NARROW.bytes, narrow, bit)));
}

function times(count: number, change: (sum: number) => number, sum: number): number {
  let now = sum;
  for (let i = 0; i < count; i++) now = change(now);
  return now;
}

/** Fills the tables of a shift from what it does to each bit; gives the shift. */
function fillShift(words: Int32Array, place: number, ofBits: readonly number[]): (sum: number) => number {
  const from = place / 4;
  for (let byte = 0; byte < 4; byte++) {
    const table = from + 256 * byte;
    for (let value = 1; value < 256; value++) {
      const highest = 31 - Math.clz32(value);
      words[table + value] = (words[table + value - (1 << highest)] ?? 0) ^ (ofBits[8 * byte + highest] ?? 0);
    }
  }
  const entry = (byte: number, sum: number) => words[from + 256 * byte + (sum >>> 8 * byte & 255)] ?? 0;
  return (sum) => entry(0, sum) ^ entry(1, sum) ^ entry(2, sum) ^ entry(3, sum);
}

/** What a byte does to a sum with so many bytes behind it, for each byte and each number from 0 on. */
export function stepTables(polynomial: number, count: number): Int32Array {
  const table = new Int32Array(256 * count);
  for (let byte = 0; byte < 256; byte++) {
    let sum = byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ polynomial : sum >>> 1;
    table[byte] = sum;
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256] ?? 0;
    table[at] = (table[before & 255] ?? 0) ^ (before >>> 8);
  }
  return table;
}
