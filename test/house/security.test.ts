/**
 * Every attack that other servers have fallen for is shown to fail here by tests that are there, every safeguard likewise, and the lock
 * holds back what has holes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ATTACKS_SEEN } from "./attacks.ts";
import { SAFEGUARDS } from "./safeguards.ts";
import { ROOT } from "./source-tree.ts";

const ATTACKS_COUNT = 58;

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

test.each(SAFEGUARDS)("$id is shown by tests that are there: $what", ({ shown }) => {
  expect(shown.length).toBeGreaterThan(0);
  for (const [file, name] of shown) expect(readFileSync(join(ROOT, file), "utf8"), `${file}: ${name}`).toContain(name);
});

test("no safeguard is left out", () => {
  expect(SAFEGUARDS.map(({ id }) => id)).toEqual(Array.from({ length: 26 }, (_, index) => `S${String(index + 1).padStart(2, "0")}`));
});

interface Package {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
}

test("S21: packages have one version each, with a checksum, and none but Node's own runs a script when it is installed", () => {
  const { dependencies, devDependencies, allowScripts }: Package = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
  expect(Object.entries(allowScripts).flatMap(([name, may]) => (may ? [name] : []))).toEqual(["node"]);
  const lock: { readonly packages: Readonly<Record<string, { readonly integrity?: string; readonly link?: boolean }>> } = JSON.parse(
    readFileSync(join(ROOT, "package-lock.json"), "utf8"),
  );
  const unchecked = Object.entries(lock.packages).filter(([path, { integrity }]) => path !== "" && integrity === undefined);
  expect(unchecked.map(([path]) => path)).toEqual([]);
  expect(readFileSync(join(ROOT, "deploy/Dockerfile"), "utf8")).toMatch(/npm ci .*--ignore-scripts/);
});

test("S25: SECURITY.md says how to report, and how soon what is fixed", () => {
  const text = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
  for (const severity of ["critical", "high", "medium"]) expect(text).toMatch(new RegExp(`^\\| ${severity} \\|.*\\| \\d+ days \\|$`, "m"));
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
