/** Steps and results of every form, for properties of codecs. */
import fc from "fast-check";
import type { SamplingParameters } from "../../../../core/model/sampling-parameters.ts";
import type { Admission, Step, StepResult } from "../../../../core/wire/step.ts";
import type { StepLimits } from "../../../../core/wire/step-check.ts";

export const SEED = 20_261_123;
export const LIMITS: StepLimits = { slots: 8, contextLength: 200, vocabSize: 1000 };

const slot = fc.nat(LIMITS.slots - 1);
const id = fc.nat(LIMITS.vocabSize - 1);
const ids = fc.array(id, { maxLength: 12 }).map((list) => Int32Array.from(list));
const unit = fc.double({ min: 0, max: 1, noNaN: true });

const sampling: fc.Arbitrary<SamplingParameters> = fc.record({
  temperature: fc.double({ min: 0, max: 2, noNaN: true }),
  topK: fc.nat(),
  topP: unit.map((share) => Math.max(share, 1e-12)),
  minP: unit,
  repetitionPenalty: fc.double({ min: 0.1, max: 3, noNaN: true }),
  presencePenalty: fc.double({ min: -2, max: 2, noNaN: true }),
  frequencyPenalty: fc.double({ min: -2, max: 2, noNaN: true }),
  logitBias: fc.array(fc.tuple(id, fc.double({ min: -100, max: 100, noNaN: true })), { maxLength: 4 }),
  seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  topLogprobs: fc.option(fc.nat(20), { nil: undefined }),
});

const admission: fc.Arbitrary<Admission> = fc.record({ slot, choice: fc.nat(7), sampling, promptIds: ids, outputIds: ids });

const prefill = fc
  .record({ slot, past: fc.nat(LIMITS.contextLength - 20), tokens: fc.array(id, { minLength: 2, maxLength: 20 }), row: fc.nat(19) })
  .chain(({ row, tokens, ...rest }) =>
    fc.record({
      kind: fc.constant("prefill" as const),
      slot: fc.constant(rest.slot),
      past: fc.constant(rest.past),
      tokens: fc.constant(Int32Array.from(tokens)),
      sample: fc.option(fc.record({ row: fc.constant(row % tokens.length), position: fc.nat(10_000) }), { nil: undefined }),
    }),
  );

const replay = fc.record({
  kind: fc.constant("replay" as const),
  slot,
  past: fc.nat(LIMITS.contextLength - 20),
  tokens: fc.array(id, { minLength: 2, maxLength: 20 }).map((tokens) => Int32Array.from(tokens)),
});

const row = fc.record({ token: id, past: fc.nat(LIMITS.contextLength - 1), position: fc.option(fc.nat(10_000), { nil: undefined }) });
const decode = fc.nat(LIMITS.slots - 1).chain((firstSlot) =>
  fc.record({
    kind: fc.constant("decode" as const),
    firstSlot: fc.constant(firstSlot),
    rows: fc.array(row, { minLength: 1, maxLength: LIMITS.slots - firstSlot }),
  }),
);

const copy = fc
  .record({ from: slot, shift: fc.integer({ min: 1, max: LIMITS.slots - 1 }), tokens: fc.nat(LIMITS.contextLength) })
  .map(({ from, shift, tokens }) => ({ from, to: (from + shift) % LIMITS.slots, tokens }));

/** Steps that `LIMITS` allow. */
export const steps: fc.Arbitrary<Step> = fc.record({
  epoch: fc.nat(),
  step: fc.nat(),
  releases: fc.array(slot, { maxLength: 4 }),
  copies: fc.array(copy, { maxLength: 4 }),
  admissions: fc.array(admission, { maxLength: 3 }),
  run: fc.oneof(prefill, replay, decode, fc.constant({ kind: "none" as const })),
});

const logprob = fc.double({ max: 0, noNaN: true });

export const results: fc.Arbitrary<StepResult> = fc.record({
  epoch: fc.nat(),
  step: fc.nat(),
  tokens: fc.array(
    fc.record({
      slot,
      position: fc.nat(),
      id,
      logprob: fc.option(logprob, { nil: undefined }),
      topLogprobs: fc.array(fc.tuple(id, logprob), { maxLength: 20 }),
    }),
    { maxLength: 8 },
  ),
  stageUs: fc.array(fc.nat(), { maxLength: 6 }),
});

/** Damage: some bytes set, some cut off, some added. */
export const damages = fc.record({
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
  cut: fc.oneof(fc.constant(0), fc.nat(40)),
  added: fc.uint8Array({ maxLength: 8 }),
});

export function damaged(bytes: Uint8Array, damage: { bytes: [number, number][]; cut: number; added: Uint8Array }): Uint8Array {
  const copied = Uint8Array.from([...bytes.subarray(0, Math.max(0, bytes.length - damage.cut)), ...damage.added]);
  for (const [at, value] of damage.bytes) if (copied.length > 0) copied[at % copied.length] = value;
  return copied;
}
