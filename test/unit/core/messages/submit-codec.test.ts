/** Submits as bytes: what goes in comes out, damage is refused. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { generationId } from "../../../../core/ids.ts";
import type { GenerationSubmit, Submit } from "../../../../core/messages/generation.ts";
import { decodeSubmit, encodeSubmit, SUBMIT_BYTES_MAX } from "../../../../core/messages/submit-codec.ts";
import { damaged, onlyInvalidArgument } from "../../../support/damaged-bytes.ts";
import { submitOf } from "./submit-of.ts";

const SEED = 20260103;
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const count = fc.nat(2 ** 32 - 1);

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
      submit.chain((one) => damaged(encodeSubmit(one))),
      (bytes) => onlyInvalidArgument(() => decodeSubmit(bytes)),
    ),
    { seed: SEED, numRuns: 2_000 },
  );
});

test("a submit that no link takes is refused where it is made", () => {
  expect(() => encodeSubmit(submitOf(SUBMIT_BYTES_MAX / 4))).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
});
