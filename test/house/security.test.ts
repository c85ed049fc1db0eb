/** Every attack that other servers have fallen for is shown to fail here by tests that are there, and the lock holds back what has holes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ATTACKS_SEEN } from "./attacks.ts";
import { ROOT } from "./source-tree.ts";

const ATTACKS_COUNT = 54;

test.each(ATTACKS_SEEN)("$id is shown by tests that are there: $attack", ({ source, shown }) => {
  expect(source).not.toBe("");
  expect(shown.length).toBeGreaterThan(0);
  for (const [file, name] of shown) expect(readFileSync(join(ROOT, file), "utf8"), `${file}: ${name}`).toContain(name);
});

test("no attack is left out", () => {
  process.stdout.write(`${ATTACKS_SEEN.length}/${ATTACKS_COUNT} attacks are shown to fail\n`);
  expect(ATTACKS_SEEN.map(({ id }) => id)).toEqual(
    Array.from({ length: ATTACKS_COUNT }, (_, index) => `R${String(index + 1).padStart(2, "0")}`),
  );
});

/** The first version without the hole that the row names. */
const FLOORS: Readonly<Record<string, readonly [major: number, minor: number, patch: number]>> = {
  protobufjs: [7, 5, 6],
  "@grpc/grpc-js": [1, 10, 9],
};

test("R45: the lock has no version with a known hole, however deep it lies", () => {
  const lock: { readonly packages: Readonly<Record<string, { readonly version?: string }>> } = JSON.parse(
    readFileSync(join(ROOT, "package-lock.json"), "utf8"),
  );
  for (const [name, [major, minor, patch]] of Object.entries(FLOORS)) {
    const found = Object.entries(lock.packages).filter(([path]) => path.endsWith(`node_modules/${name}`));
    expect(found.length, name).toBeGreaterThan(0);
    for (const [path, { version = "" }] of found) {
      const [a = 0, b = 0, c = 0] = version.split(".").map(Number);
      expect((a - major) * 1e6 + (b - minor) * 1e3 + (c - patch), `${path} ${version}`).toBeGreaterThanOrEqual(0);
    }
  }
});
