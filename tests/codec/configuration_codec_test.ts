/**
 * Kind: unit, with properties over random configurations.
 *
 * Invariant: a configuration comes back as it was; what contradicts itself is refused with the reason, so that the core's assertions
 * speak about our own code only.
 *
 * Learnt: the order of ids is part of the encoding, so that one value has one encoding and its record one checksum.
 */
import { assertEquals } from "@std/assert";
import { type CborValue, encodeCbor } from "../../internal/codec/cbor.ts";
import { decodeConfiguration, encodeConfiguration } from "../../internal/codec/configuration_codec.ts";
import { Configuration } from "../../internal/raft/configuration.ts";
import { randomConfiguration } from "./makers.ts";
import { bytesOf, mutated, randomOf, truncations } from "./support.ts";

Deno.test("a configuration comes back as it was, and the core takes it", () => {
  const random = randomOf("configuration");
  for (let i = 0; i < 500; i++) {
    const value = randomConfiguration(random);
    const decoded = decodeConfiguration(encodeConfiguration(value));
    assertEquals(decoded, value);
    new Configuration(value);
  }
});

const member = (id: string, priority: CborValue = 100): CborValue => [id, "h:1", "", priority, false, null];

const REFUSED: readonly (readonly [value: CborValue, reason: string])[] = [
  [0, "a configuration is an array"],
  [[[], [], []], "a configuration has 4 fields, not 3"],
  [[[""], [], [], []], "voters is no array of ids"],
  [["a", [], [], []], "voters is no array of ids"],
  [[[], [1], [], []], "outgoing is no array of ids"],
  [[[], [], [null], []], "learners is no array of ids"],
  [[[], [], [], 7], "members is no array of members"],
  [[["a"], [], [], [["a"]]], "a member is no array of 6"],
  [[["a"], [], [], [member("a", 1001)]], "a member's fields are not what they should be"],
  [[["a"], [], [], [member("", 1)]], "a member's fields are not what they should be"],
  [[["a"], [], [], [["a", "h:1", "", 1, 0, null]]], "a member's fields are not what they should be"],
  [[["a"], [], [], [["a", "h:1", "", 1, true, 3]]], "a member's fields are not what they should be"],
  [[["a".repeat(257)], [], [], []], "voters is no array of ids"],
  [[["b", "a"], [], [], [member("a"), member("b")]], "a follows b"],
  [[["a", "a"], [], [], [member("a")]], "a follows a"],
  [[["a"], [], [], [member("b"), member("a")]], "a follows b"],
  [[["a"], [], [], [member("a"), member("b")]], "b is neither voter nor learner"],
  [[["a", "b"], [], [], [member("a")]], "a voter or learner is no member"],
  [[["a"], ["b"], [], [member("a")]], "a voter or learner is no member"],
  [[["a"], [], ["a"], [member("a")]], "a is voter and learner"],
  [[[], [], ["a"], [member("a")]], "nobody votes"],
];

for (const [value, reason] of REFUSED) {
  Deno.test(`a configuration is refused: ${reason} (${JSON.stringify(value).slice(0, 40)})`, () => {
    assertEquals(decodeConfiguration(encodeCbor(value)), reason);
  });
}

Deno.test("no prefix of a configuration is one, and no damage throws", () => {
  const random = randomOf("configuration/damage");
  const bytes = encodeConfiguration(randomConfiguration(random));
  for (const prefix of truncations(bytes)) assertEquals(typeof decodeConfiguration(prefix), "string");
  for (let i = 0; i < 5000; i++) decodeConfiguration(mutated(random, bytes));
  assertEquals(typeof decodeConfiguration(bytesOf("84")), "string");
});
