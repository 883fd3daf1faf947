/**
 * What a SET of 256 bytes costs on its way through the codec: line parser, record, frame, message, reply.
 *
 * @module
 */
import { encodeCommand, Operation } from "../internal/codec/command.ts";
import { CommandPacker, decodeCommandBatch, encodeCommandBatch } from "../internal/codec/command_batch.ts";
import { crc32c, loadCrc32c } from "../internal/codec/crc32c.ts";
import { encodeFrame, FrameDecoder } from "../internal/codec/frame.ts";
import { decodeMessage, encodeMessage, encodeMessageFrame } from "../internal/codec/message_codec.ts";
import { decodeEntries, encodeEntries, recordOf } from "../internal/codec/record.ts";
import { OK } from "../internal/codec/reply.ts";
import { ReplyWriter } from "../internal/codec/resp_reply.ts";
import { defaultRequestLimits, RequestDecoder } from "../internal/codec/resp_request.ts";
import type { AppendEntriesRequest } from "../internal/raft/message.ts";
import type { Entry } from "../internal/raft/types.ts";
import { arrayOf, KEY, SET, VALUE } from "./samples.ts";
import { bench } from "./harness.ts";

await loadCrc32c();

const COUNT = 40;
const request = arrayOf(["SET", KEY, VALUE]);
const requests = new Uint8Array(COUNT * request.length);
for (let i = 0; i < COUNT; i++) requests.set(request, i * request.length);
const inline = new TextEncoder().encode(`SET ${KEY} ${VALUE}\r\n`);

const batch = encodeCommandBatch(Array.from({ length: COUNT }, () => SET));
const entryOf = (): Entry => ({
  index: 7,
  term: 3,
  kind: "command",
  payload: batch,
  configuration: null,
  record: null,
});
const entry = entryOf();
encodeEntries([entry]);
const message: AppendEntriesRequest = {
  kind: "appendEntriesRequest",
  term: 3,
  prevLogIndex: 6,
  prevLogTerm: 3,
  leaderCommit: 5,
  round: 900,
  health: { diskMs: 1, loopMs: 1 },
  epoch: 0,
  entries: [entry],
};
const body = encodeMessage(message);
const frame = encodeFrame(body);

bench("codec", [
  {
    name: "scan and pack SETs in RESP",
    operations: COUNT,
    run: () => {
      const decoder = new RequestDecoder(defaultRequestLimits);
      const packer = new CommandPacker();
      decoder.push(requests);
      for (let words = decoder.scan(); words > 0; words = decoder.scan()) {
        packer.add(Operation.set, decoder, 1, words, 1);
      }
      packer.take();
    },
  },
  {
    name: "decode SETs in RESP, word by word",
    operations: COUNT,
    run: () => {
      const decoder = new RequestDecoder(defaultRequestLimits);
      decoder.push(requests);
      while (decoder.next() !== null);
    },
  },
  {
    name: "decode a SET on a line",
    run: () => {
      const decoder = new RequestDecoder(defaultRequestLimits);
      decoder.push(inline);
      while (decoder.next() !== null);
    },
  },
  { name: "encode a SET", run: () => void encodeCommand(Operation.set, [SET, SET, SET]) },
  { name: "decode a batch", operations: COUNT, run: () => void decodeCommandBatch(batch) },
  { name: "checksum of 300 bytes", run: () => void crc32c(request.subarray(0, 300)) },
  { name: "checksum of a batch", operations: COUNT, run: () => void crc32c(batch) },
  { name: "encode a record", operations: COUNT, run: () => void recordOf(entryOf()) },
  { name: "decode a record", operations: COUNT, run: () => void decodeEntries(recordOf(entry)) },
  {
    name: "encode AppendEntries in its frame",
    operations: COUNT,
    run: () => void encodeMessageFrame(message),
  },
  {
    name: "take AppendEntries out of its frame",
    operations: COUNT,
    run: () => {
      const decoder = new FrameDecoder(1 << 24);
      decoder.push(frame);
      const found = decoder.next();
      if (!(found instanceof Uint8Array)) throw new Error(String(found));
      decodeMessage(found);
    },
  },
  {
    name: "write replies",
    operations: COUNT,
    run: () => {
      const writer = new ReplyWriter();
      for (let i = 0; i < COUNT; i++) writer.write(OK, false);
      writer.take();
    },
  },
  {
    name: "write one reply",
    run: () => {
      const writer = new ReplyWriter();
      writer.write(OK, false);
      writer.take();
    },
  },
]);
