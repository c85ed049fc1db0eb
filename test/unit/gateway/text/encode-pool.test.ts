/** The encode pool: long texts leave the caller's thread, and what goes wrong with one text stays with it. */
import { describe, expect, test } from "vitest";
import { serializeTextBundle } from "../../../../core/model/text-bundle-codec.ts";
import { EncodePool } from "../../../../gateway/text/encode-pool.ts";
import { openTextModel, type TextModel } from "../../../../gateway/text/text-model.ts";
import { byteLevelBundle } from "../../../support/text-bundles.ts";

const model = openTextModel(serializeTextBundle(byteLevelBundle(["h e"], { bosId: 9, addBos: true })));
const RAW = { addSpecial: false };
const NEVER = new AbortController().signal;
const ODD = { workerFile: new URL("../../../support/odd-encode-worker.ts", import.meta.url), inlineBytesMax: 0, workersMax: 1 };
const withDigest = (digest: string): TextModel => ({ ...model, digest });

describe("the encode pool", () => {
  test("gives the same ids in a worker as on the caller's thread", async () => {
    await using pool = new EncodePool({ workersMax: 1 });
    const text = "hé hello 😀 ".repeat(2000);
    for (const options of [{ addSpecial: true }, RAW]) {
      expect(await pool.encode(model, text, options, NEVER)).toEqual(model.tokenizer.encode(text, options));
    }
  });

  test("encodes short texts on the caller's thread, counted in bytes", async () => {
    await using pool = new EncodePool({ ...ODD, inlineBytesMax: 6 });
    expect(await pool.encode(model, "hé he", RAW, NEVER)).toEqual(model.tokenizer.encode("hé he", RAW));
    expect((await pool.encode(model, "ééé!", RAW, NEVER))[2]).toBe(4);
  });

  test("encodes nothing for a signal that has aborted", async () => {
    await using pool = new EncodePool(ODD);
    await expect(pool.encode(model, "x", RAW, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
  });

  test("ends a worker whose text is canceled, and goes on with a new one", async () => {
    await using pool = new EncodePool(ODD);
    const first = await pool.encode(model, "a", RAW, NEVER);
    const canceled = new AbortController();
    const hanging = pool.encode(model, "hang", RAW, canceled.signal);
    const behind = pool.encode(model, "behind", RAW, NEVER);
    canceled.abort(new Error("client left"));
    await expect(hanging).rejects.toThrow("client left");
    const [thread, , length] = await behind;
    expect(length).toBe(6);
    expect(thread).not.toBe(first[0]);
  });

  test("forgets a waiting text that is canceled", async () => {
    await using pool = new EncodePool(ODD);
    const [first, second] = [new AbortController(), new AbortController()];
    const hanging = pool.encode(model, "hang", RAW, first.signal);
    const waiting = pool.encode(model, "waiting", RAW, second.signal);
    second.abort(new Error("second left"));
    await expect(waiting).rejects.toThrow("second left");
    first.abort(new Error("first left"));
    await expect(hanging).rejects.toThrow("first left");
    expect((await pool.encode(model, "next", RAW, NEVER))[2]).toBe(4);
  });

  test.each(["exit", "throw", "nonsense"])("fails one text alone when its worker ends in '%s'", async (text) => {
    await using pool = new EncodePool(ODD);
    const failing = pool.encode(model, text, RAW, NEVER);
    const behind = pool.encode(model, "behind", RAW, NEVER);
    await expect(failing).rejects.toMatchObject({ code: "INTERNAL", message: "a worker died while it encoded this text" });
    expect((await behind)[2]).toBe(6);
  });

  test("passes a worker's refusal on", async () => {
    await using pool = new EncodePool({ inlineBytesMax: 0, workersMax: 1 });
    const damaged = { ...model, digest: "damaged", bytes: new TextEncoder().encode("{}") };
    await expect(pool.encode(damaged, "x", RAW, NEVER)).rejects.toMatchObject({ code: "DATA_LOSS" });
    expect(await pool.encode(model, "he", RAW, NEVER)).toEqual(Int32Array.from([256]));
  });

  test("refuses texts beyond the limit of waiting ones", async () => {
    await using pool = new EncodePool({ ...ODD, waitingMax: 1 });
    const hanging = new AbortController();
    const first = pool.encode(model, "hang", RAW, hanging.signal);
    const second = pool.encode(model, "second", RAW, NEVER);
    await expect(pool.encode(model, "third", RAW, NEVER)).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    hanging.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    expect((await second)[2]).toBe(6);
  });

  test("sends a worker each bundle once, and at most four to keep", async () => {
    await using pool = new EncodePool(ODD);
    const kept: number[] = [];
    for (const digest of ["a", "b", "a", "c", "d", "a", "e", "f", "a", "b"]) {
      const [, count = 0] = await pool.encode(withDigest(digest), "text", RAW, NEVER);
      kept.push(count);
    }
    expect(kept).toEqual([1, 2, 2, 3, 4, 4, 4, 4, 4, 4]);
  });

  test("works on as many texts at once as it has workers", async () => {
    await using pool = new EncodePool({ ...ODD, workersMax: 2 });
    const hanging = new AbortController();
    const first = pool.encode(model, "hang", RAW, hanging.signal);
    expect((await pool.encode(model, "beside", RAW, NEVER))[2]).toBe(6);
    hanging.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
  });

  test("fails what waits and runs when it is closed, and takes nothing more", async () => {
    const pool = new EncodePool(ODD);
    const outcomes = Promise.allSettled([pool.encode(model, "hang", RAW, NEVER), pool.encode(model, "x", RAW, NEVER)]);
    await pool.close();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: { code: "UNAVAILABLE" } });
    await expect(pool.encode(model, "x", RAW, NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await pool.close();
  });
});
