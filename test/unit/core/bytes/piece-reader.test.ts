/** Bytes in pieces are read as if they were one, however they are cut, and never copied. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PieceReader } from "../../../../core/bytes/piece-reader.ts";

const SEED = 20261123;

test("what is taken piece by piece is the bytes in order, as views of the pieces", () => {
  const piecesOf = fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 8 });
  const takesOf = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 12 });
  fc.assert(
    fc.property(piecesOf, takesOf, (pieces, takes) => {
      const whole = Buffer.concat(pieces);
      const reader = new PieceReader(pieces);
      const buffers = new Set<ArrayBufferLike>(pieces.map(({ buffer }) => buffer));
      let offset = 0;
      for (const bytes of takes) {
        const views = reader.take(bytes);
        expect(Buffer.concat(views)).toEqual(whole.subarray(offset, offset + bytes));
        for (const view of views)
          expect([view.constructor, buffers.has(view.buffer), view.byteLength > 0]).toEqual([Uint8Array, true, true]);
        offset = Math.min(whole.byteLength, offset + bytes);
      }
    }),
    { seed: SEED, numRuns: 300 },
  );
});
