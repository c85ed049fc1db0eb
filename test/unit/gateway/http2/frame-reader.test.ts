import fc from "fast-check";
import { expect, test } from "vitest";
import { type DataPiece, type FrameHead, FrameReader, type FrameSink } from "../../../../gateway/http2/frame-reader.ts";
import { FRAME, frame } from "../../../protocol/grpc-frames.ts";

const SEED = 20_260_801;

/** Writes down what comes. */
class Notes implements FrameSink {
  over = false;
  readonly lines: string[] = [];
  /** Of each stream. */
  readonly bodies = new Map<number, string>();
  counted = 0;
  padding = 0;

  frame({ type, flags, stream }: FrameHead, payload: Buffer): void {
    this.lines.push(`${type} ${flags} ${stream} ${payload.toString("hex")}`);
  }

  data({ stream, bytes, counted, padding, ends }: DataPiece): void {
    this.counted += counted;
    this.padding += padding;
    this.bodies.set(stream, `${this.bodies.get(stream) ?? ""}${bytes.toString("hex")}${ends ? "." : ""}`);
  }

  broken(error: number): void {
    this.over = true;
    this.lines.push(`error ${error}`);
  }
}

function read(...chunks: readonly Buffer[]): Notes {
  const notes = new Notes();
  const reader = new FrameReader(notes);
  for (const chunk of chunks) reader.push(chunk);
  return notes;
}

const anyFrame = fc
  .tuple(fc.nat(10), fc.nat(255), fc.nat(5), fc.uint8Array({ maxLength: 60 }))
  .map(([type, flags, stream, payload]) => frame(type, flags, stream, payload));

test("however bytes are cut, they are the same frames", () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.nat(500), { maxLength: 12 }), (frames, cuts) => {
      const all = Buffer.concat(frames);
      const places = [0, ...cuts.filter((cut) => cut < all.byteLength).sort((a, b) => a - b), all.byteLength];
      const chunks = places.slice(1).map((end, index) => all.subarray(places[index], end));
      const [whole, cut] = [read(all), read(...chunks)];
      expect([cut.lines, [...cut.bodies], cut.counted, cut.padding]).toEqual([
        whole.lines,
        [...whole.bodies],
        whole.counted,
        whole.padding,
      ]);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
});

test("padding counts, and is not passed on", () => {
  const notes = read(frame(FRAME.data, 9, 1, Buffer.from([3, 0xaa, 0xbb, 0, 0, 0])), frame(FRAME.data, 8, 3, Buffer.from([1, 0])));
  expect([...notes.bodies]).toEqual([
    [1, "aabb."],
    [3, ""],
  ]);
  expect([notes.counted, notes.padding]).toEqual([8, 6]);
});

test("data are passed on before their frame is whole", () => {
  const bytes = frame(FRAME.data, 1, 7, Buffer.alloc(10_000, 0xcc));
  const notes = read(bytes.subarray(0, 1_000));
  expect(notes.bodies.get(7)).toBe("cc".repeat(991));
  expect(notes.counted).toBe(10_000);
});

test.each([
  ["a frame larger than agreed", frame(FRAME.headers, 4, 1, Buffer.alloc(16_385)), "error 6"],
  ["padding as long as its frame", frame(FRAME.data, 8, 1, Buffer.from([2, 0])), "error 1"],
  ["a padded frame of nothing", frame(FRAME.data, 8, 1), "error 1"],
])("%s ends the connection, and nothing is read behind it", (_, bytes, error) => {
  expect(read(bytes, frame(FRAME.ping, 0, 0, Buffer.alloc(8))).lines).toEqual([error]);
});
