/** Rounds in which every side has its turn. */
import { describe, expect, test } from "vitest";
import { figuresOf, inTurn } from "../../../bench/rounds.ts";

describe("rounds in turn", () => {
  test("begin with another side each time and measure every side once a round", async () => {
    const order: string[] = [];
    const side = (name: string) => ({
      name,
      measure: (round: number) => {
        order.push(`${name}${round}`);
        return Promise.resolve(new Map([["speed", round]]));
      },
    });
    const collected = await inTurn([side("a"), side("b"), side("c")], 3, () => {});
    expect(order).toEqual(["a0", "b0", "c0", "b1", "c1", "a1", "c2", "a2", "b2"]);
    expect(figuresOf(collected, "b", "speed")).toEqual([0, 1, 2]);
  });

  test("have no figures of what was not measured", async () => {
    const collected = await inTurn([{ name: "a", measure: () => Promise.resolve(new Map()) }], 1, () => {});
    expect(figuresOf(collected, "a", "speed")).toEqual([]);
    expect(figuresOf(collected, "b", "speed")).toEqual([]);
  });

  test("end with the first side that fails", async () => {
    const failing = { name: "a", measure: () => Promise.reject(new Error("no memory")) };
    const never = { name: "b", measure: () => Promise.reject(new Error("was measured")) };
    await expect(inTurn([failing, never], 2, () => {})).rejects.toThrow("no memory");
  });
});
