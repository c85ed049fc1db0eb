import { expect, test } from "vitest";
import { ClosedStreams } from "../../../../gateway/http2/closed-streams.ts";

test("the last thousand are known, older ones and those that never were are not", () => {
  const closed = new ClosedStreams();
  expect(closed.of(1)).toBeUndefined();
  for (let stream = 1; stream <= 4_001; stream += 2) closed.add(stream, stream % 4 === 1 ? "ours" : "both");
  expect([closed.of(4_001), closed.of(3_999), closed.of(4_001 - 2_046)]).toEqual(["ours", "both", "both"]);
  expect([closed.of(1), closed.of(4_003)]).toEqual([undefined, undefined]);
});
