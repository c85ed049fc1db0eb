import { expect, test } from "vitest";
import { RequestBudget } from "../../../../gateway/grpc/request-budget.ts";

test("what does not fit is refused and takes nothing; what is given back may be taken again", () => {
  const budget = new RequestBudget(10);
  budget.take(7);
  expect(() => budget.take(4)).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
  budget.take(3);
  budget.giveBack(7);
  budget.take(7);
  expect(() => budget.take(1)).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
});
