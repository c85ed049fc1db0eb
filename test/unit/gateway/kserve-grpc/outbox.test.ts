import { describe, expect, test } from "vitest";
import { Outbox } from "../../../../gateway/kserve-grpc/outbox.ts";
import { turns } from "../../../support/fake-clock.ts";

const message = (byte: number) => [Uint8Array.of(byte)];

async function bytesOf(outbox: Outbox): Promise<number[]> {
  const bytes: number[] = [];
  for await (const [piece] of outbox.messages()) bytes.push(piece?.[0] ?? -1);
  return bytes;
}

describe("an outbox", () => {
  test("gives everything in order, what was put in before and after somebody reads", async () => {
    const outbox = new Outbox();
    await outbox.put(message(1));
    const read = bytesOf(outbox);
    await turns(1);
    await outbox.put(message(2));
    await turns(1);
    await outbox.put(message(3));
    outbox.close();
    await outbox.put(message(4));
    expect(await read).toEqual([1, 2, 3]);
  });

  test("holds back writers until somebody reads", async () => {
    const outbox = new Outbox();
    let put = 0;
    const writing = (async () => {
      for (let index = 0; index < 200; index++) {
        await outbox.put(message(index));
        put++;
      }
      outbox.close();
    })();
    await turns();
    expect(put).toBe(63);
    expect(await bytesOf(outbox)).toHaveLength(200);
    await writing;
  });

  test("that fails gives what waits, then the failure", async () => {
    const outbox = new Outbox();
    await outbox.put(message(1));
    outbox.fail(new Error("first"));
    outbox.fail(new Error("second"));
    const messages = outbox.messages();
    expect((await messages.next()).value).toEqual(message(1));
    await expect(messages.next()).rejects.toThrow("first");
  });

  test("that is dropped lets its writers go", async () => {
    const outbox = new Outbox();
    const writing = Promise.all(Array.from({ length: 100 }, (_, index) => outbox.put(message(index))));
    outbox.drop();
    await writing;
    expect(await bytesOf(outbox)).toEqual([]);
  });
});
