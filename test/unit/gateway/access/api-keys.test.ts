/** API keys: what is kept of them, who has one, and what a wrong line says. */
import { expect, test } from "vitest";
import { seededRandom, systemRandom } from "../../../../core/random.ts";
import { keyOf, newApiKey, parseApiKeys } from "../../../../gateway/access/api-keys.ts";

const made = newApiKey(seededRandom(1n), { tenant: "acme", access: ["inference", "control"] });
const keys = parseApiKeys(`# keys\n\n${made.line}\n`);

test("a new key has 256 random bits, and its line does not contain them", () => {
  const secret = made.key.split("_")[2] ?? "";
  expect(secret).toMatch(/^[0-9a-f]{64}$/);
  expect(made.line).not.toContain(secret);
  const many = Array.from({ length: 100 }, () => newApiKey(systemRandom, { tenant: "a", access: ["inference"] }).key);
  expect(new Set(many).size).toBe(100);
});

test("a key is known by its digest, with its tenant and what it is for", () => {
  expect(keyOf(keys, made.key)).toMatchObject({ tenant: "acme", access: ["inference", "control"] });
});

test.each([
  ["another secret", made.key.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"))],
  ["another id", made.key.replace(/nereid_./, (start) => (start.endsWith("0") ? "nereid_1" : "nereid_0"))],
  ["a part of it", made.key.slice(0, -1)],
  ["more than it", `${made.key}0`],
  ["its digest", made.line.split(" ")[3] ?? ""],
  ["nothing", ""],
])("a key with %s is nobody's", (_, shown) => {
  expect(keyOf(keys, shown)).toBeUndefined();
});

test.each([
  ["too few parts", "0123456789ab acme inference"],
  ["an unknown class", `0123456789ab acme root ${"0".repeat(64)}`],
  ["a tenant that could be a path", `0123456789ab ../acme inference ${"0".repeat(64)}`],
  ["a digest of another length", `0123456789ab acme inference ${"0".repeat(63)}`],
  ["an id twice", `${made.line}\n${made.line}`],
])("a line with %s is refused by its number, and not shown", (_, lines) => {
  const parse = () => parseApiKeys(`# one\n${lines}`);
  expect(parse).toThrow(/API keys: line [23] /);
  expect(parse).not.toThrow(/acme/);
});
