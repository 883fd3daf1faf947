/**
 * Mutants of what comes over the wire: codecs, connections, clients (fault model 2.2, rows N and C; catalogue 3.7).
 *
 * Keeps true: what mutant.ts says.
 *
 * @module
 */
import type { Mutant } from "./mutant.ts";

export const wireMutants: readonly Mutant[] = [
  {
    name: "frame-checksum-not-checked",
    catalogue: ["N12", "W9"],
    breaks: "a frame is believed without its checksum",
    file: "internal/codec/frame.ts",
    find: "if (crc32cAround(frame, 0, frame.length) !== expected) return",
    replace: "if (expected < 0) return",
    killer: { file: "tests/codec/frame_test.ts", test: "a frame of 0 bytes with one turned bit" },
  },
  {
    name: "frame-length-outside-checksum",
    catalogue: ["W9"],
    breaks: "a frame's checksum does not cover its length",
    file: "internal/codec/frame.ts",
    find: "writeBigEndian(frame, 4, crc32cAround(frame, 0, frame.length));",
    replace: "writeBigEndian(frame, 4, crc32cAround(frame, 4, frame.length));",
    killer: { file: "tests/codec/frame_test.ts", test: "the frame of" },
  },
  {
    name: "frame-length-not-bounded",
    catalogue: ["N13", "W10"],
    breaks: "a frame may be as long as it says",
    file: "internal/codec/frame.ts",
    find: "    if (length > this.#bodyBytesMax) {",
    replace: "    if (length < 0) {",
    killer: { file: "tests/codec/frame_test.ts", test: "a frame length of" },
  },
  {
    name: "frames-go-on-after-damage",
    catalogue: ["N12"],
    breaks: "after a damaged frame the stream is read on",
    file: "internal/codec/frame.ts",
    find: "    this.#reason = reason;\n    this.#chunks = [];",
    replace: "    this.#chunks = [];",
    killer: { file: "tests/codec/frame_test.ts", test: "after a reason there is nothing" },
  },
  {
    name: "record-length-not-bounded",
    catalogue: ["W10"],
    breaks: "a record may be longer than what is left",
    file: "internal/codec/record.ts",
    find: "  if (length > left) return",
    replace: "  if (length < 0) return",
    killer: { file: "tests/codec/record_test.ts", test: "no prefix of a" },
  },
  {
    name: "record-checksum-ignored",
    catalogue: ["W9", "N12"],
    breaks: "a record is believed without its checksum",
    file: "internal/codec/record.ts",
    find: "  if (expected !== found) return `record checksum",
    replace: "  if (expected < 0) return `record checksum",
    killer: { file: "tests/codec/record_test.ts", test: "a no-op with one turned bit" },
  },
  {
    name: "numbers-in-any-form",
    catalogue: ["N13"],
    breaks: "a number has more than one encoding",
    file: "internal/codec/cbor.ts",
    find: 'if (number < (extra === 1 ? 24 : 2 ** (extra * 4))) this.#fail("a number',
    replace: 'if (number < 0) this.#fail("a number',
    killer: { file: "tests/codec/cbor_test.ts", test: "CBOR is refused" },
  },
  {
    name: "nesting-not-bounded",
    catalogue: ["N13", "C5"],
    breaks: "arrays are as deep as they say",
    file: "internal/codec/cbor.ts",
    find: "if (depth >= DEPTH_MAX) return",
    replace: "if (depth < 0) return",
    killer: { file: "tests/codec/cbor_test.ts", test: "CBOR is refused: arrays nine deep" },
  },
  {
    name: "link-queue-not-bounded",
    catalogue: ["N8", "N10"],
    breaks: "a link to a server that does not read takes whatever there is",
    file: "internal/peers/peer_link.ts",
    find:
      "    if (this.#frameBytes + greeter.bytesQueued >= this.#options.limits.linkBytesMax) return false;\n",
    replace: "",
    killer: { file: "tests/peers/links_test.ts", test: "what waits on a link is bounded" },
  },
  {
    name: "silent-link-stays",
    catalogue: ["N5", "N6"],
    breaks: "a link on which nothing comes back any more is taken for open",
    file: "internal/peers/peer_link.ts",
    find: "    if (unanswered > limits.silenceMs / limits.pingMs) {",
    replace: "    if (unanswered < 0) {",
    killer: { file: "tests/peers/links_test.ts", test: "a cut " },
  },
  {
    name: "flood-of-strangers",
    catalogue: ["N11"],
    breaks: "strangers on the peer port are as many as they like",
    file: "internal/peers/peer_listener.ts",
    find: "    if (strangers <= strangersMax && this.#incoming.size <= connectionsMax) return;\n",
    replace: "    if (strangers >= 0) return;\n",
    killer: { file: "tests/peers/listener_test.ts", test: "strangers have so many places" },
  },
];
