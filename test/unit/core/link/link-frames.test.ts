/** A link's bytes: frames survive any cutting, damage is refused. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { FRAME_BYTES_MAX } from "../../../../core/link/link.ts";
import { encodeLinkFrames, FRAME_TYPES, type LinkFrame, LinkFrameReader } from "../../../../core/link/link-frames.ts";

const SEED = 20260102;
const frame: fc.Arbitrary<LinkFrame> = fc.record({
  type: fc.constantFrom(...FRAME_TYPES),
  kind: fc.constantFrom("tensor", "tokens"),
  number: fc.nat(2 ** 32 - 1),
  payload: fc.uint8Array({ maxLength: 300 }),
});

test("frames survive any cutting of their bytes into chunks", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (frames, cuts) => {
      const bytes = encodeLinkFrames(frames);
      const reader = new LinkFrameReader();
      const read: LinkFrame[] = [];
      for (let offset = 0; offset < bytes.byteLength; ) {
        const end = offset + (cuts.next().value ?? 1);
        read.push(...reader.read(bytes.slice(offset, end)));
        offset = end;
      }
      expect(read.map((one) => ({ ...one, payload: Uint8Array.from(one.payload) }))).toEqual(
        frames.map((one) => ({ ...one, payload: Uint8Array.from(one.payload) })),
      );
    }),
    { seed: SEED },
  );
});

test("any bytes are read as frames or refused with DATA_LOSS", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        new LinkFrameReader().read(bytes);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ServingError);
        expect(thrown).toMatchObject({ code: "DATA_LOSS" });
      }
    }),
    { seed: SEED },
  );
});

test("a head that announces more than a frame may hold is refused before its payload comes", () => {
  const head = encodeLinkFrames([{ type: "data", kind: "tokens", number: 1, payload: new Uint8Array(0) }]);
  new DataView(head.buffer, head.byteOffset).setUint32(0, FRAME_BYTES_MAX + 1, true);
  expect(() => new LinkFrameReader().read(head)).toThrow(expect.objectContaining({ code: "DATA_LOSS" }));
});
