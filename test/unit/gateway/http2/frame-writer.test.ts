import { expect, test } from "vitest";
import { FrameWriter } from "../../../../gateway/http2/frame-writer.ts";
import { frame, u32 } from "../../../protocol/grpc-frames.ts";

test("frames are their heads and what they carry, over as many slabs as it takes", () => {
  const writer = new FrameWriter();
  const wanted: Buffer[] = [];
  for (let stream = 1; stream < 4_000; stream += 2) {
    writer.head(stream, { type: 8, flags: 0, length: 4 });
    writer.uint32(stream * 500_000);
    wanted.push(frame(8, 0, stream, u32(stream * 500_000)));
  }
  writer.head(2 ** 31 - 1, { type: 0, flags: 1, length: 70_000 });
  writer.bytes(Buffer.alloc(70_000, 7));
  wanted.push(frame(0, 1, 2 ** 31 - 1, Buffer.alloc(70_000, 7)));
  expect(writer.byteLength).toBe(Buffer.concat(wanted).byteLength);
  const pieces = writer.take();
  expect(Buffer.concat(pieces).equals(Buffer.concat(wanted))).toBe(true);
  expect(pieces.length).toBeLessThan(6);
  expect([writer.byteLength, writer.take()]).toEqual([0, []]);
});

test("what was taken is not written to again", () => {
  const writer = new FrameWriter();
  writer.byte(1);
  const [first] = writer.take();
  writer.byte(2);
  writer.take();
  expect(first?.[0]).toBe(1);
});
