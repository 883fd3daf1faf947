/**
 * `@std/assert`, typed. Tests only.
 *
 * The code is the published `@std/assert`, which npm has without types as `deno-std`; the signatures here are those
 * of the original for the functions that this project uses. To take the original itself, point the import map's
 * line for `@std/assert` at `jsr:@std/assert@1` and delete this file.
 *
 * @module
 */
import * as std from "deno-std/assert/mod.js";

/** Throws unless `condition` is true. */
export const assert: (condition: unknown, message?: string) => asserts condition = std.assert;
/** Throws unless the two values are deeply equal. */
export const assertEquals: (actual: unknown, expected: unknown, message?: string) => void = std.assertEquals;
/** Throws if the two values are deeply equal. */
export const assertNotEquals: (actual: unknown, expected: unknown, message?: string) => void =
  std.assertNotEquals;
/** Throws unless the two values are the same by `Object.is`. */
export const assertStrictEquals: (actual: unknown, expected: unknown, message?: string) => void =
  std.assertStrictEquals;
/** Throws unless `actual` matches `expected`. */
export const assertMatch: (actual: string, expected: RegExp, message?: string) => void = std.assertMatch;
/** Throws unless `actual` contains `expected`. */
export const assertStringIncludes: (actual: string, expected: string, message?: string) => void =
  std.assertStringIncludes;
/** Throws unless `actual > expected`. */
export const assertGreater: (actual: number, expected: number, message?: string) => void = std.assertGreater;
/** Throws unless `actual < expected`. */
export const assertLess: (actual: number, expected: number, message?: string) => void = std.assertLess;
/** Throws unless `actual >= expected`. */
export const assertGreaterOrEqual: (actual: number, expected: number, message?: string) => void =
  std.assertGreaterOrEqual;
/** Throws unless `actual <= expected`. */
export const assertLessOrEqual: (actual: number, expected: number, message?: string) => void =
  std.assertLessOrEqual;
/** A class of errors, as `assertThrows` and `assertRejects` take it. */
export type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;
/** Throws unless `run` throws an error of that class whose message includes the text; gives the error back. */
export const assertThrows: <E extends Error>(
  run: () => unknown,
  errorClass: ErrorClass<E>,
  includes?: string,
) => E = std.assertThrows;
/** Throws unless `run` rejects with an error of that class whose message includes the text; gives the error back. */
export const assertRejects: <E extends Error>(
  run: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  includes?: string,
) => Promise<E> = std.assertRejects;
/** Throws always. */
export const fail: (message?: string) => never = std.fail;
