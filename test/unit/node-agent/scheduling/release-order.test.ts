/** Responses in the order of arrival. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ReleaseOrder } from "../../../../node-agent/scheduling/release-order.ts";

test("a fast second response waits for the slow first", () => {
  const order = new ReleaseOrder<string>();
  const [first, second] = [order.take(), order.take()];
  expect(order.settle(second, "second")).toEqual([]);
  expect(order.held).toBe(1);
  expect(order.settle(first, "first")).toEqual(["first", "second"]);
  expect(order.held).toBe(0);
});

test("a request without a response holds nobody back", () => {
  const order = new ReleaseOrder<string>();
  const [first, second] = [order.take(), order.take()];
  expect(order.settle(second, "second")).toEqual([]);
  expect(order.settle(first, undefined)).toEqual(["second"]);
});

test("a turn cannot be settled twice, nor one that was never taken", () => {
  const order = new ReleaseOrder<string>();
  const [first, second] = [order.take(), order.take()];
  order.settle(second, "x");
  expect(() => order.settle(second, "x")).toThrow(/settled once/);
  order.settle(first, "x");
  expect(() => order.settle(first, "x")).toThrow(/settled once/);
});

test("whatever order they are settled in, responses leave in theirs", () => {
  fc.assert(
    fc.property(
      fc.nat(8).chain((count) =>
        fc.shuffledSubarray(
          Array.from({ length: count }, (_, index) => index),
          { minLength: count },
        ),
      ),
      (settling) => {
        const order = new ReleaseOrder<number>();
        const turns = settling.map(() => order.take());
        const released = settling.flatMap((index) => order.settle(turns[index] ?? order.take(), index));
        expect(released).toEqual(settling.toSorted((a, b) => a - b));
      },
    ),
    { seed: 7 },
  );
});
