/** Events come out the same however the bytes were cut. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventData } from "../../../../cli/chat/server-sent-events.ts";

async function events(...chunks: readonly Uint8Array[]): Promise<string[]> {
  const found: string[] = [];
  const bytes = (async function* () {
    yield* chunks;
  })();
  for await (const data of eventData(bytes)) found.push(data);
  return found;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("server-sent events", () => {
  test("are read from lines that end in any of the three ways", async () => {
    expect(await events(text('data: {"a":1}\n\ndata:two\r\n\r\ndata: three\r\rrest'))).toEqual(['{"a":1}', "two", "three"]);
  });

  test("join their data lines, and ignore comments and other fields", async () => {
    expect(await events(text(": ping\n\nid: 7\nevent: x\ndata: one\ndata: two\n\n"))).toEqual(["one\ntwo"]);
  });

  test("do not depend on where the bytes were cut, even inside a character or a line end", async () => {
    const whole = text("data: Größe 😀\r\n\r\ndata: zwei\n\ndata: drei\r\rdata: [DONE]\n\n");
    const expected = ["Größe 😀", "zwei", "drei", "[DONE]"];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 12 }), async (cuts) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
        const chunks = edges.slice(1).map((end, index) => whole.subarray(edges[index], end));
        expect(await events(...chunks)).toEqual(expected);
      }),
      { seed: 20_260_102, numRuns: 300 },
    );
  });

  test("are refused when one never ends", async () => {
    await expect(events(text("data: "), new Uint8Array(1024 * 1024 + 1).fill(97))).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  });
});
