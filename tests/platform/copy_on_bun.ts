/**
 * The contract of copying, asked on the runtime that runs this: says what is wrong, a line each, and how many ways it asked.
 *
 * @module
 */
import { bufferCopy, systemCopy } from "../../internal/host/system_copy.ts";
import { objectionsTo, usualCopy } from "./copy_contract.ts";

const ways = [usualCopy, bufferCopy];
for (const way of ways) for (const objection of objectionsTo(way, 3000)) console.log(objection);
console.log(
  `ok: ${ways.length} ways, ${systemCopy === bufferCopy ? "the buffer's" : "the usual one"} is taken`,
);
