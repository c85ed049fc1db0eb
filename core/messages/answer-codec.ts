/**
 * Answer frames as bytes: what a lead writes on a generation's stream. Token frames are the hot ones. Pure.
 *
 * The first byte is the frame's kind. A token takes 10 bytes: choice u8, flags u8 (1: has a log probability), position u32,
 * id i32; with a log probability also f64, then how many of the most likely follow as u8, and each as i32 and f64.
 */

import { ByteReader } from "../bytes/byte-reader.ts";
import { ByteWriter } from "../bytes/byte-writer.ts";
import { assert, ERROR_CODES } from "../errors.ts";
import { FRAME_BYTES_MAX } from "../link/link.ts";
import type { AnswerFrame, ChoiceToken, FinishReason, RefusalReason } from "./generation.ts";

const KIND = {
  accepted: 1,
  refused: 2,
  tokens: 3,
  finished: 4,
  failed: 5,
  part: 6,
  response: 7,
  "failed-response": 8,
} as const satisfies Record<AnswerFrame["kind"], number>;
const REFUSALS = ["draining", "full", "not-here", "not-ready", "not-owner"] as const satisfies readonly RefusalReason[];
const REASONS = ["stop", "length"] as const satisfies readonly FinishReason[];
const HAS_LOGPROB = 1;
const TOKEN_BYTES = 10;
const LOGPROB_BYTES = 9;
const TOP_BYTES = 12;
const MESSAGE_CHARACTERS_MAX = 4_000;
/** The kind, and whether it is the last. */
const RESPONSE_HEAD_BYTES = 2;

/** One frame; one that may be larger than a link takes goes through `answerFrames`. */
export function encodeAnswer(frame: AnswerFrame): Uint8Array {
  return frame.kind === "tokens" ? encodeTokens(frame.tokens) : encodeRare(frame);
}

function encodeRare(frame: AnswerFrame): Uint8Array {
  const writer = new ByteWriter("bytes" in frame ? frame.bytes.byteLength + RESPONSE_HEAD_BYTES : 64);
  writer.u8(KIND[frame.kind]);
  switch (frame.kind) {
    case "tokens":
      return encodeTokens(frame.tokens);
    case "accepted":
      writer.u32(frame.queued);
      break;
    case "refused":
      writer.u8(REFUSALS.indexOf(frame.reason));
      writer.text(frame.message.slice(0, MESSAGE_CHARACTERS_MAX));
      break;
    case "finished":
      writer.u8(frame.choice);
      writer.u8(REASONS.indexOf(frame.reason));
      break;
    case "failed":
      writer.u8(ERROR_CODES.indexOf(frame.code));
      writer.text(frame.message.slice(0, MESSAGE_CHARACTERS_MAX));
      writer.text(frame.reason ?? "");
      writer.text(frame.param ?? "");
      break;
    case "part":
      writer.bytes(frame.bytes);
      break;
    case "response":
      writer.u8(frame.isFinal ? 1 : 0);
      writer.bytes(frame.bytes);
      break;
    case "failed-response":
      writer.u8(ERROR_CODES.indexOf(frame.code));
      writer.text(frame.message.slice(0, MESSAGE_CHARACTERS_MAX));
      break;
  }
  return writer.finish();
}

/** The frames that carry `frame`, each within the link's limit: long runs of tokens and large answers are cut. */
export function answerFrames(frame: AnswerFrame): readonly Uint8Array[] {
  switch (frame.kind) {
    case "tokens":
      return cutTokens(frame.tokens).map(encodeTokens);
    case "part":
      return partFrames(frame.bytes);
    case "response": {
      const last = Math.max(0, frame.bytes.byteLength - (FRAME_BYTES_MAX - RESPONSE_HEAD_BYTES));
      return [...partFrames(frame.bytes.subarray(0, last)), encodeAnswer({ ...frame, bytes: frame.bytes.subarray(last) })];
    }
    case "accepted":
    case "refused":
    case "finished":
    case "failed":
    case "failed-response":
      return [encodeAnswer(frame)];
  }
}

function partFrames(bytes: Uint8Array): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.byteLength; offset += FRAME_BYTES_MAX - 1) {
    parts.push(encodeAnswer({ kind: "part", bytes: bytes.subarray(offset, offset + FRAME_BYTES_MAX - 1) }));
  }
  return parts;
}

/** `bytes` of a part are a view of `frame`. @throws ServingError INVALID_ARGUMENT */
export function decodeAnswer(frame: Uint8Array): AnswerFrame {
  if (frame[0] === KIND.tokens) return { kind: "tokens", tokens: decodeTokens(frame) };
  const reader = new ByteReader(frame, "an answer frame");
  const answer = readAnswer(reader);
  reader.end();
  return answer;
}

/** Texts that are empty are not there. */
function readFailed(reader: ByteReader): AnswerFrame {
  const [code, message, reason, param] = [oneOf(reader, ERROR_CODES), reader.text(), reader.text(), reader.text()];
  return { kind: "failed", code, message, ...(reason !== "" && { reason }), ...(param !== "" && { param }) };
}

function readAnswer(reader: ByteReader): AnswerFrame {
  const kind = reader.u8();
  switch (kind) {
    case KIND.accepted:
      return { kind: "accepted", queued: reader.u32() };
    case KIND.refused:
      return { kind: "refused", reason: oneOf(reader, REFUSALS), message: reader.text() };
    case KIND.finished:
      return { kind: "finished", choice: reader.u8(), reason: oneOf(reader, REASONS) };
    case KIND.failed:
      return readFailed(reader);
    case KIND.part:
      return { kind: "part", bytes: reader.rest() };
    case KIND.response:
      return { kind: "response", isFinal: reader.u8() === 1, bytes: reader.rest() };
    case KIND["failed-response"]:
      return { kind: "failed-response", code: oneOf(reader, ERROR_CODES), message: reader.text() };
    default:
      return reader.fail(`is of the unknown kind ${kind}`);
  }
}

function oneOf<Value>(reader: ByteReader, values: readonly Value[]): Value {
  return values[reader.u8()] ?? reader.fail("has an unknown value");
}

function tokenBytes(token: ChoiceToken): number {
  return token.logprob === undefined ? TOKEN_BYTES : TOKEN_BYTES + LOGPROB_BYTES + token.topLogprobs.length * TOP_BYTES;
}

function cutTokens(tokens: readonly ChoiceToken[]): readonly (readonly ChoiceToken[])[] {
  const runs: ChoiceToken[][] = [];
  let room = 0;
  for (const token of tokens) {
    const bytes = tokenBytes(token);
    if (bytes > room) {
      runs.push([]);
      room = FRAME_BYTES_MAX - 1;
    }
    runs.at(-1)?.push(token);
    room -= bytes;
  }
  return runs;
}

function encodeTokens(tokens: readonly ChoiceToken[]): Uint8Array {
  let length = 1;
  for (const token of tokens) length += tokenBytes(token);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes[0] = KIND.tokens;
  let offset = 1;
  for (const token of tokens) {
    assert(token.choice < 256 && token.topLogprobs.length < 256, `choice ${token.choice} does not fit a frame`);
    bytes[offset] = token.choice;
    bytes[offset + 1] = token.logprob === undefined ? 0 : HAS_LOGPROB;
    view.setUint32(offset + 2, token.position, true);
    view.setInt32(offset + 6, token.id, true);
    offset += TOKEN_BYTES;
    if (token.logprob === undefined) continue;
    view.setFloat64(offset, token.logprob, true);
    bytes[offset + 8] = token.topLogprobs.length;
    offset += LOGPROB_BYTES;
    for (const [id, logprob] of token.topLogprobs) {
      view.setInt32(offset, id, true);
      view.setFloat64(offset + 4, logprob, true);
      offset += TOP_BYTES;
    }
  }
  return bytes;
}

const NO_TOP: readonly (readonly [number, number])[] = [];

function decodeTokens(frame: Uint8Array): readonly ChoiceToken[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const tokens: ChoiceToken[] = [];
  const tooShort = (): never => new ByteReader(frame, "a frame of tokens").fail("ends too early");
  let offset = 1;
  while (offset < frame.byteLength) {
    if (offset + TOKEN_BYTES > frame.byteLength) tooShort();
    const choice = view.getUint8(offset);
    const flags = view.getUint8(offset + 1);
    const position = view.getUint32(offset + 2, true);
    const id = view.getInt32(offset + 6, true);
    offset += TOKEN_BYTES;
    if (flags === 0) {
      tokens.push({ choice, position, id, logprob: undefined, topLogprobs: NO_TOP });
      continue;
    }
    if (flags !== HAS_LOGPROB) new ByteReader(frame, "a frame of tokens").fail(`has the unknown flags ${flags}`);
    if (offset + LOGPROB_BYTES > frame.byteLength) tooShort();
    const logprob = view.getFloat64(offset, true);
    const top = view.getUint8(offset + 8);
    offset += LOGPROB_BYTES;
    if (offset + top * TOP_BYTES > frame.byteLength) tooShort();
    const topLogprobs: (readonly [number, number])[] = [];
    for (const end = offset + top * TOP_BYTES; offset < end; offset += TOP_BYTES) {
      topLogprobs.push([view.getInt32(offset, true), view.getFloat64(offset + 4, true)]);
    }
    tokens.push({ choice, position, id, logprob, topLogprobs });
  }
  return tokens;
}
