/** Records with owners that expire: what is there, for how long, and that nothing stays that is over. */
import { expect, test } from "vitest";
import { FencedRecords } from "../../../../core/store/fenced-records.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("a record is there until its time is over, or it is deleted", () => {
  const clock = new FakeClock();
  const records = new FencedRecords<string>(clock, "the store");
  records.put("a", { fence: "f", record: "one" }, 1_000);
  records.put("b", { fence: "g", record: "two" }, 2_000);
  clock.advance(999);
  expect(records.find("a")).toMatchObject({ fence: "f", record: "one" });
  clock.advance(1);
  expect([records.find("a"), records.find("b")?.record]).toEqual([undefined, "two"]);
  records.delete("b");
  expect(records.find("b")).toBeUndefined();
});

test("a store that is away says so", async () => {
  const records = new FencedRecords<string>(new FakeClock(), "the store of tests");
  records.setAway(true);
  await expect(records.reach()).rejects.toMatchObject({
    code: "UNAVAILABLE",
    reason: "store_unavailable",
    message: "the store of tests is away: try again",
  });
  records.setAway(false);
  await records.reach();
});

test("what has expired does not fill the memory", () => {
  const clock = new FakeClock();
  const records = new FencedRecords<number>(clock, "the store");
  for (let index = 0; index < 5_000; index++) {
    records.put(`k${index}`, { fence: "f", record: index }, 1_000);
    clock.advance(10);
  }
  expect(records.count).toBeLessThan(1_200);
});
