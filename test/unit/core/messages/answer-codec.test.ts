/** Answers as bytes: what goes in comes out, damage is refused. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ERROR_CODES } from "../../../../core/errors.ts";
import { FRAME_BYTES_MAX } from "../../../../core/link/link.ts";
import { answerFrames, decodeAnswer, encodeAnswer } from "../../../../core/messages/answer-codec.ts";
import type { AnswerFrame, ChoiceToken } from "../../../../core/messages/generation.ts";
import { damaged, onlyInvalidArgument } from "../../../support/damaged-bytes.ts";

const SEED = 20260103;
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const count = fc.nat(2 ** 32 - 1);

const token: fc.Arbitrary<ChoiceToken> = fc
  .record({
    choice: fc.nat(255),
    position: count,
    id: int32,
    logprob: fc.option(number, { nil: undefined }),
    topLogprobs: fc.array(fc.tuple(int32, number), { maxLength: 20 }),
  })
  .map((one) => (one.logprob === undefined ? { ...one, topLogprobs: [] } : one));

const answer: fc.Arbitrary<AnswerFrame> = fc.oneof(
  fc.record({ kind: fc.constant("accepted" as const), queued: count }),
  fc.record({
    kind: fc.constant("refused" as const),
    reason: fc.constantFrom("draining" as const, "full" as const, "not-here" as const, "not-ready" as const),
    message: fc.string({ unit: "grapheme" }),
  }),
  fc.record({ kind: fc.constant("tokens" as const), tokens: fc.array(token, { maxLength: 20 }) }),
  fc.record({ kind: fc.constant("finished" as const), choice: fc.nat(255), reason: fc.constantFrom("stop" as const, "length" as const) }),
  fc.record(
    {
      kind: fc.constant("failed" as const),
      code: fc.constantFrom(...ERROR_CODES),
      message: fc.string({ unit: "grapheme" }),
      reason: fc.string({ minLength: 1 }),
      param: fc.string({ minLength: 1 }),
    },
    { requiredKeys: ["kind", "code", "message"] },
  ),
  fc.record({ kind: fc.constant("part" as const), bytes: fc.uint8Array().map((bytes) => Uint8Array.from(bytes)) }),
);

test("every answer frame comes back as it was", () => {
  fc.assert(
    fc.property(answer, (frame) => {
      expect(decodeAnswer(encodeAnswer(frame))).toEqual(frame);
    }),
    { seed: SEED },
  );
});

test("damaged frames are refused with INVALID_ARGUMENT and nothing else", () => {
  fc.assert(
    fc.property(
      answer.chain((frame) => damaged(encodeAnswer(frame))),
      (bytes) => onlyInvalidArgument(() => decodeAnswer(bytes)),
    ),
    { seed: SEED, numRuns: 2_000 },
  );
});

test("long runs of tokens and bundles are cut into frames that a link takes, and nothing is lost", () => {
  const top = Array.from({ length: 20 }, (_, id) => [id, -id / 3] as const);
  const tokens = Array.from({ length: 3_000 }, (_, position) => ({ choice: 0, position, id: position, logprob: -1, topLogprobs: top }));
  const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);
  const tokenFrames = answerFrames({ kind: "tokens", tokens });
  const bundleFrames = answerFrames({ kind: "part", bytes });
  for (const frame of [...tokenFrames, ...bundleFrames]) expect(frame.byteLength).toBeLessThanOrEqual(FRAME_BYTES_MAX);
  expect(tokenFrames.map(decodeAnswer).flatMap((frame) => (frame.kind === "tokens" ? frame.tokens : []))).toEqual(tokens);
  expect(Buffer.concat(bundleFrames.map(decodeAnswer).map((frame) => (frame.kind === "part" ? frame.bytes : bytes)))).toEqual(
    Buffer.from(bytes),
  );
});
