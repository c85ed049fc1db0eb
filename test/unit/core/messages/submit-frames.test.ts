/** Submits in frames of a link, and what follows them on its stream. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FRAME_BYTES_MAX } from "../../../../core/link/link.ts";
import { encodeSubmit, SUBMIT_BYTES_MAX } from "../../../../core/messages/submit-codec.ts";
import { decodeCancelChoice, encodeCancelChoice, SubmitAssembler, submitFrames } from "../../../../core/messages/submit-frames.ts";
import { onlyInvalidArgument } from "../../../support/damaged-bytes.ts";
import { submitOf } from "./submit-of.ts";

const SEED = 20260103;

test("a submit travels over a link in as many frames as it needs, and is whole after the last", () => {
  for (const tokens of [0, 1, 16_000, 16_384, 100_000]) {
    const frames = submitFrames(encodeSubmit(submitOf(tokens)));
    for (const frame of frames) expect(frame.byteLength).toBeLessThanOrEqual(FRAME_BYTES_MAX);
    const assembler = new SubmitAssembler();
    const assembled = frames.map((frame) => assembler.push(frame));
    expect(assembled.slice(0, -1).every((one) => one === undefined)).toBe(true);
    expect(assembled.at(-1)).toEqual(submitOf(tokens));
  }
});

test("a submit that no link takes is refused where it would be put together", () => {
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

test("on a running stream a cancel names its choice, a late copy of the submit is passed over, the rest is refused", () => {
  expect(decodeCancelChoice(encodeCancelChoice({ kind: "cancel-choice", choice: 7 }))).toEqual({ kind: "cancel-choice", choice: 7 });
  const [frame = new Uint8Array(0)] = submitFrames(encodeSubmit(submitOf(3)));
  expect(decodeCancelChoice(frame)).toBeUndefined();
  for (const bytes of [Uint8Array.of(), Uint8Array.of(3), Uint8Array.of(3, 1, 1), Uint8Array.of(99)]) {
    expect(() => decodeCancelChoice(bytes)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
});
