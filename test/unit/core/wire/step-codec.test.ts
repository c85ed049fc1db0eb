import fc from "fast-check";
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { checkStep } from "../../../../core/wire/step-check.ts";
import { decodeResult, decodeStep, encodeResult, encodeStep } from "../../../../core/wire/step-codec.ts";
import { decodePayload, encodePayloadHead } from "../../../../core/wire/step-payload.ts";
import { damaged, damages, LIMITS, results, SEED, steps } from "./arbitraries.ts";

test("a step arrives as it was sent, and passes the check", () => {
  fc.assert(
    fc.property(steps, (step) => {
      const arrived = decodeStep(encodeStep(step), step);
      expect(arrived).toEqual(step);
      checkStep(arrived, LIMITS);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test("a result arrives as it was sent", () => {
  fc.assert(
    fc.property(results, (result) => {
      expect(decodeResult(encodeResult(result), result)).toEqual(result);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test("plan, times and activations come apart as they were put together", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), fc.array(fc.nat(), { maxLength: 200 }), (plan, activations, stageUs) => {
      const bytes = Uint8Array.from([...encodePayloadHead({ plan, stageUs }), ...activations]);
      expect(decodePayload(bytes)).toEqual({ plan, stageUs, activations });
    }),
    { seed: SEED },
  );
});

test("damaged steps are refused with an error or decode to a step that the check judges; nothing else happens", () => {
  fc.assert(
    fc.property(steps, damages, (step, damage) => {
      try {
        checkStep(decodeStep(damaged(encodeStep(step), damage), step), LIMITS);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ServingError);
        expect(thrown).toMatchObject({ code: "INVALID_ARGUMENT" });
      }
    }),
    { seed: SEED, numRuns: 5000 },
  );
});

test("damaged results and payloads are refused with an error, or are other results", () => {
  fc.assert(
    fc.property(results, damages, (result, damage) => {
      for (const decode of [
        () => decodeResult(damaged(encodeResult(result), damage), result),
        () => decodePayload(damaged(encodeResult(result), damage)),
      ])
        try {
          decode();
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ServingError);
        }
    }),
    { seed: SEED, numRuns: 3000 },
  );
});

test("a list that claims more items than bytes follow is refused before it is made", () => {
  const bytes = encodeResult({ epoch: 0, step: 3, tokens: [], stageUs: [] });
  bytes.set([255, 255, 255, 255], 1);
  expect(() => decodeResult(bytes, { epoch: 0, step: 3 })).toThrow(/result of step 3 announces 4294967295 items/);
});

test("numbers that are no numbers do not pass the check", () => {
  const [sample] = fc.sample(steps, { seed: SEED, numRuns: 1 });
  if (sample === undefined) throw new Error("no sample");
  const run = { kind: "decode", firstSlot: 0, rows: [{ token: 1, past: 0, position: 0 }] } as const;
  const sampling = {
    temperature: 1,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: [],
    seed: 0n,
    topLogprobs: undefined,
  };
  const admitted = (changed: object) => ({
    ...sample,
    copies: [],
    run,
    admissions: [{ slot: 0, choice: 0, sampling: { ...sampling, ...changed }, promptIds: new Int32Array(), outputIds: new Int32Array() }],
  });
  expect(() => checkStep(admitted({}), LIMITS)).not.toThrow();
  for (const changed of [
    { temperature: Number.NaN },
    { temperature: -1 },
    { topP: 0 },
    { topP: Number.NaN },
    { minP: 2 },
    { repetitionPenalty: 0 },
    { presencePenalty: Number.POSITIVE_INFINITY },
    { topLogprobs: 21 },
    { logitBias: [[LIMITS.vocabSize, 1]] },
    { logitBias: [[1, Number.NaN]] },
  ])
    expect(() => checkStep(admitted(changed), LIMITS), JSON.stringify(changed)).toThrow(ServingError);
});
