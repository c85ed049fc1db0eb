/** Waits that end early leave nothing behind. */
import { expect, test } from "vitest";
import { untilAborted } from "../../../core/abort.ts";
import { turns } from "../../support/fake-clock.ts";

test("a promise that fails when nobody waits for it any more, or before anybody could, is no unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  const client = new AbortController();
  const late = Promise.withResolvers<void>();
  const waiting = untilAborted(late.promise, client.signal);
  client.abort(new Error("gone"));
  await expect(waiting).rejects.toThrow("gone");
  late.reject(new Error("failed"));
  await expect(untilAborted(Promise.reject(new Error("failed")), client.signal)).rejects.toThrow("gone");
  await turns();
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});
