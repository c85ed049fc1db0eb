/** What the chaos run takes out of the product's source must be there to be taken out. */
import { expect, test } from "vitest";
import { mutated } from "../chaos/mutation.ts";
import { ROWS } from "../chaos/rows.ts";
import { allFiles } from "./source-tree.ts";

const mutations = ROWS.flatMap((row) => row.mutations ?? []);

test("every mutation of a chaos row changes the source of today", () => {
  expect(mutations.length).toBeGreaterThan(0);
  for (const mutation of mutations) {
    const text = allFiles.find(({ path }) => path === mutation.file)?.text ?? "";
    expect(mutated(text, mutation)).not.toBe(text);
  }
});

test("a mutation whose text stands there twice, or not at all, is refused", () => {
  const mutation = { file: "some.ts", find: "one", replace: "two" };
  expect(mutated("this one", mutation)).toBe("this two");
  expect(() => mutated("this", mutation)).toThrow('some.ts has "one" 0 times');
  expect(() => mutated("one and one", mutation)).toThrow('some.ts has "one" 2 times');
});
