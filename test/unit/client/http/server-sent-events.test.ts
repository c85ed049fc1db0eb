import fc from "fast-check";
import { expect, test } from "vitest";
import { serverSentEvents } from "../../../../client/http/server-sent-events.ts";

const RUNS = { seed: 20_260_403, numRuns: 200 };

async function* pieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

const eventsOf = (text: string, sizes: readonly number[] = []) => Array.fromAsync(serverSentEvents(pieces(Buffer.from(text), sizes)));

test("events are the same however the bytes are cut", async () => {
  const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, ""));
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.integer({ min: 0, max: 9 })), async (datas, sizes) => {
      const text = datas.map((data) => `data: ${data}\n\n`).join("");
      expect(await eventsOf(text, sizes)).toEqual(datas);
    }),
    RUNS,
  );
});

test("comments and other fields are passed over, several lines of data are one event", async () => {
  const text = ": keep-alive\n\nevent: x\nid: 1\ndata: a\ndata: b\n\ndata:c\r\n\r\ndata: cut";
  expect(await eventsOf(text)).toEqual(["a\nb", "c"]);
});
