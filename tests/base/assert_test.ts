/**
 * Kind: unit.
 *
 * Invariant: a belief that is false stops the process with its own words and code 70's error; one that is true costs nothing and gives
 * the value back as it is.
 *
 * Learnt: "there" means neither `undefined` nor `null`: 0, an empty text and `false` are there.
 */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { assert, AssertionError, assertNever, must } from "../../internal/base/assert.ts";

Deno.test("a false belief is thrown in its own words, a true one passes", () => {
  const error = assertThrows(() => assert(false, "Terms never fall"), AssertionError);
  assertEquals([error.name, error.message], ["AssertionError", "Terms never fall"]);
  assert(true, "Terms never fall");
});

Deno.test("what is there comes back, whatever it counts as", () => {
  for (const value of [0, "", false, NaN, 0n]) assertStrictEquals(must(value, "It is there"), value);
  const object = {};
  assertStrictEquals(must(object, "It is there"), object);
});

for (const value of [undefined, null]) {
  Deno.test(`${value} is not there`, () => {
    assertEquals(
      assertThrows(() => must(value, "The lookup cannot miss"), AssertionError).message,
      "The lookup cannot miss",
    );
  });
}

Deno.test("a case that cannot come says which one came", () => {
  // The type checker keeps such a value out; only a value from outside our types gets here.
  const reach = () =>
    Reflect.apply(assertNever, undefined, [{ kind: "other" }, "A message has a known kind"]);
  assertThrows(reach, AssertionError, 'A message has a known kind: {"kind":"other"}');
});
