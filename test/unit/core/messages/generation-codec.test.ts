/** Submits and answers as bytes: what goes in comes out, damage is refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERROR_CODES, ServingError } from "../../../../core/errors.ts";
import { generationId } from "../../../../core/ids.ts";
import { FRAME_BYTES_MAX } from "../../../../core/link/link.ts";
import type { AnswerFrame, ChoiceToken, GenerationSubmit, Submit } from "../../../../core/messages/generation.ts";
import { answerFrames, decodeAnswer, encodeAnswer } from "../../../../core/messages/generation-codec.ts";
import {
  decodeCancelChoice,
  decodeSubmit,
  encodeCancelChoice,
  encodeSubmit,
  SUBMIT_BYTES_MAX,
  SubmitAssembler,
  submitFrames,
} from "../../../../core/messages/submit-codec.ts";

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

const generation: fc.Arbitrary<GenerationSubmit> = fc
  .record({
    kind: fc.constant("generate" as const),
    generation: fc.string().map(generationId),
    replica: fc.string({ unit: "grapheme" }),
    tenant: fc.string({ unit: "grapheme" }),
    remainingMs: fc.option(fc.double({ min: 0, max: 1e9, noNaN: true }), { nil: undefined }),
    traceparent: fc.string(),
    promptIds: fc.array(int32, { maxLength: 50 }).map((ids) => Int32Array.from(ids)),
    choices: fc.integer({ min: 1, max: 255 }),
    tokensMax: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    stopIds: fc.array(int32, { maxLength: 10 }),
    sampling: fc.record({
      temperature: number,
      topK: count,
      topP: number,
      minP: number,
      repetitionPenalty: number,
      presencePenalty: number,
      frequencyPenalty: number,
      logitBias: fc.array(fc.tuple(int32, number), { maxLength: 10 }),
      seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      topLogprobs: fc.option(fc.nat(20), { nil: undefined }),
    }),
    begun: fc.array(fc.record({ over: fc.boolean(), outputIds: fc.array(int32, { maxLength: 20 }).map((ids) => Int32Array.from(ids)) }), {
      maxLength: 8,
    }),
  })
  .chain((submit) =>
    fc
      .record({ resumable: fc.string({ unit: "grapheme" }), movable: fc.constant(true as const) }, { requiredKeys: [] })
      .map((optional) => ({ ...submit, ...optional })),
  );

const attach = fc.record({
  kind: fc.constant("attach" as const),
  generation: fc.string().map(generationId),
  tenant: fc.string({ unit: "grapheme" }),
  from: fc.array(fc.nat(2 ** 31), { maxLength: 255 }),
});

const submit: fc.Arbitrary<Submit> = fc.record({
  session: fc.string(),
  number: count,
  body: fc.oneof(generation, attach, fc.record({ kind: fc.constant("text-bundle" as const), digest: fc.string() })),
});

/** `bytes` with some bytes changed, and cut or lengthened. */
const mutated = (bytes: Uint8Array) =>
  fc
    .record({
      changes: fc.array(fc.tuple(fc.nat(Math.max(0, bytes.byteLength - 1)), fc.nat(255)), { maxLength: 4 }),
      length: fc.nat(bytes.byteLength + 8),
    })
    .map(({ changes, length }) => {
      const copy = new Uint8Array(length);
      copy.set(bytes.subarray(0, length));
      for (const [offset, value] of changes) if (offset < length) copy[offset] = value;
      return copy;
    });

function onlyInvalidArgument(decode: () => unknown): void {
  try {
    decode();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ServingError);
    expect(thrown).toMatchObject({ code: "INVALID_ARGUMENT" });
  }
}

describe("answers", () => {
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
        answer.chain((frame) => mutated(encodeAnswer(frame))),
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
});

describe("submits", () => {
  test("every submit comes back as it was", () => {
    fc.assert(
      fc.property(submit, (one) => {
        expect(decodeSubmit(encodeSubmit(one))).toEqual(one);
      }),
      { seed: SEED },
    );
  });

  test("damaged submits are refused with INVALID_ARGUMENT and nothing else", () => {
    fc.assert(
      fc.property(
        submit.chain((one) => mutated(encodeSubmit(one))),
        (bytes) => onlyInvalidArgument(() => decodeSubmit(bytes)),
      ),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  const long = (tokens: number): Submit => ({
    session: "s",
    number: 9,
    body: { ...sampleGeneration, promptIds: Int32Array.from({ length: tokens }, (_, index) => index - 5) },
  });

  test("a submit travels over a link in as many frames as it needs, and is whole after the last", () => {
    for (const tokens of [0, 1, 16_000, 16_384, 100_000]) {
      const frames = submitFrames(encodeSubmit(long(tokens)));
      for (const frame of frames) expect(frame.byteLength).toBeLessThanOrEqual(FRAME_BYTES_MAX);
      const assembler = new SubmitAssembler();
      const assembled = frames.map((frame) => assembler.push(frame));
      expect(assembled.slice(0, -1).every((one) => one === undefined)).toBe(true);
      expect(assembled.at(-1)).toEqual(long(tokens));
    }
  });

  test("a submit that no link takes is refused where it is made, and where it would be put together", () => {
    expect(() => encodeSubmit(long(SUBMIT_BYTES_MAX / 4))).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
    const assembler = new SubmitAssembler();
    const more = Uint8Array.from({ length: FRAME_BYTES_MAX }, (_, index) => (index === 0 ? 1 : 0));
    expect(() => {
      for (let bytes = 0; bytes <= SUBMIT_BYTES_MAX + FRAME_BYTES_MAX; bytes += FRAME_BYTES_MAX - 1) assembler.push(more);
    }).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("any frames are put together or refused with INVALID_ARGUMENT", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }), (frames) => {
        const assembler = new SubmitAssembler();
        for (const frame of frames) onlyInvalidArgument(() => assembler.push(frame));
      }),
      { seed: SEED },
    );
  });
});

test("on a running stream a cancel names its choice, a late copy of the submit is passed over, the rest is refused", () => {
  expect(decodeCancelChoice(encodeCancelChoice({ kind: "cancel-choice", choice: 7 }))).toEqual({ kind: "cancel-choice", choice: 7 });
  const [frame = new Uint8Array(0)] = submitFrames(encodeSubmit({ session: "s", number: 1, body: sampleGeneration }));
  expect(decodeCancelChoice(frame)).toBeUndefined();
  for (const bytes of [Uint8Array.of(), Uint8Array.of(3), Uint8Array.of(3, 1, 1), Uint8Array.of(99)]) {
    expect(() => decodeCancelChoice(bytes)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
});

const sampleGeneration: GenerationSubmit = {
  kind: "generate",
  generation: generationId("g"),
  replica: "m/1/0",
  tenant: "public",
  remainingMs: undefined,
  traceparent: "",
  promptIds: Int32Array.of(1, 2, 3),
  choices: 1,
  tokensMax: 10,
  stopIds: [2],
  sampling: {
    temperature: 1,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: [],
    seed: 1n,
    topLogprobs: undefined,
  },
  begun: [],
};
