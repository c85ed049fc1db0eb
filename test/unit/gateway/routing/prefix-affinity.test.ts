/** Prompts that begin alike are known by their beginning, those of other tenants are not. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PrefixAffinity, prefixKeys } from "../../../../gateway/routing/prefix-affinity.ts";
import type { Prompt } from "../../../../gateway/serving/generation/text-generation.ts";

const text = (content: string): Prompt => ({ kind: "text", text: content });
const RULES = "Answer in one word. ".repeat(60);

test("prompts have as many keys in common as blocks with which they begin alike", () => {
  fc.assert(
    fc.property(fc.nat({ max: 3_000 }), fc.string({ maxLength: 900 }), fc.string({ maxLength: 900 }), (shared, one, other) => {
      const beginning = RULES.repeat(3).slice(0, shared);
      const [a, b] = [beginning + one, beginning + other];
      let alike = 0;
      while (alike < a.length && alike < b.length && a[alike] === b[alike]) alike += 1;
      const [keysOfA, keysOfB] = [prefixKeys(text(a), "t"), prefixKeys(text(b), "t")];
      const common = keysOfA.filter((key, index) => key === keysOfB[index]).length;
      expect(common).toBe(a === b ? keysOfA.length : Math.floor(alike / 256));
    }),
    { seed: 20_263, numRuns: 300 },
  );
});

test("a chat's next turn begins with the turns before it", () => {
  const turns = [{ role: "system", content: RULES }, ...[1, 2].map((turn) => ({ role: "user", content: `Question ${turn}` }))];
  const first = prefixKeys({ kind: "chat", messages: turns.slice(0, 2) }, "t");
  expect(prefixKeys({ kind: "chat", messages: turns }, "t").slice(0, first.length)).toEqual(first);
});

test("a prompt leads to the replica that was sent most of it, and last", () => {
  const affinity = new PrefixAffinity();
  const keys = (content: string, tenant = "t") => prefixKeys(text(content), tenant);
  const [one, two] = [RULES + "A".repeat(1_000), RULES + "B".repeat(1_000)];
  affinity.sent(keys(one), "a");
  affinity.sent(keys(two), "b");
  const matches = affinity.matches(keys(one));
  expect([matches.size, matches.get("a"), matches.get("b")]).toEqual([2, 1, 4 / keys(one).length]);
  expect(affinity.matches(keys(one, "other"))).toEqual(new Map());
});

test("what was sent longest ago is forgotten first", () => {
  const affinity = new PrefixAffinity();
  for (let number = 0; number < 40_000; number++) affinity.sent([number], "a");
  expect([0, 7_000, 8_000, 39_999].map((key) => affinity.matches([key]).size)).toEqual([0, 0, 1, 1]);
});
