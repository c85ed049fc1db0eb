import { expect, test } from "vitest";
import { Turns } from "../../../../gateway/grpc/turns.ts";

test("no more run at once than may, all have their turn in order, and a failure gives its turn back", async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) =>
      turns.run(async () => {
        begun.push(index);
        most = Math.max(most, ++running);
        await Promise.resolve();
        running--;
        if (index % 3 === 0) throw new Error("lost");
        return index;
      }),
    ),
  );
  expect([most, running]).toEqual([2, 0]);
  expect(begun).toEqual(Array.from({ length: 20 }, (_, index) => index));
  expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(7);
});
