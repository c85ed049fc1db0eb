import fc from "fast-check";
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { encodeFrame, FRAME_HEADER_BYTES, FRAME_KINDS, type Frame, FrameParser, frameHeader } from "../../../../core/wire/frame.ts";
import { damaged, damages, SEED } from "./arbitraries.ts";

const frames: fc.Arbitrary<Frame> = fc.record({
  kind: fc.constantFrom(...FRAME_KINDS),
  epoch: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  step: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  payload: fc.uint8Array({ maxLength: 200 }),
});

function chunked(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

const plain = (frame: Frame) => ({ ...frame, payload: [...frame.payload] });

test("frames come out as they went in, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (sent, cuts) => {
      const parser = new FrameParser(200);
      const stream = Buffer.concat(sent.map(encodeFrame));
      const arrived = chunked(stream, cuts).flatMap((chunk) => parser.push(chunk));
      expect(arrived.map(plain)).toEqual(sent.map(plain));
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test("a header over several parts is that of the parts in one piece", () => {
  const [a, b] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4)];
  const head = { kind: "step", epoch: 1, step: 2 } as const;
  expect(frameHeader(head, [a, b])).toEqual(frameHeader(head, [Uint8Array.of(1, 2, 3, 4)]));
});

test("a damaged stream ends with an error and never gives a frame that was not sent", () => {
  fc.assert(
    fc.property(fc.array(frames, { minLength: 1, maxLength: 4 }), damages, fc.array(fc.nat(), { maxLength: 5 }), (sent, damage, cuts) => {
      const parser = new FrameParser(200);
      const wanted = sent.map(plain);
      try {
        for (const chunk of chunked(damaged(Buffer.concat(sent.map(encodeFrame)), damage), cuts))
          for (const frame of parser.push(chunk)) expect(plain(frame)).toEqual(wanted.shift());
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ServingError);
        expect(thrown).toMatchObject({ code: "DATA_LOSS" });
      }
    }),
    { seed: SEED, numRuns: 3000 },
  );
});

test("a payload over the limit is refused from its header, before it arrives", () => {
  const frame = encodeFrame({ kind: "step", epoch: 0, step: 0, payload: new Uint8Array(201) });
  const parser = new FrameParser(200);
  expect(() => parser.push(frame.subarray(0, FRAME_HEADER_BYTES))).toThrow(/201 bytes, at most 200/);
});

test("noise and other versions are named for what they are", () => {
  const frame = encodeFrame({ kind: "step", epoch: 0, step: 0, payload: new Uint8Array() });
  expect(() => new FrameParser(200).push(Buffer.from("GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n"))).toThrow(/magic/);
  const newer = frame.slice();
  newer[4] = 2;
  expect(() => new FrameParser(200).push(newer)).toThrow(/version 2/);
});
