/** Packages are installed when they have to be, and only then. */
import { describe, expect, test } from "vitest";
import { decideInstall, type InstallFacts, stampOf } from "../../../../cli/setup/install-decision.mjs";

const lock = {
  packages: {
    "": { name: "nereid" },
    "node_modules/fastify": { version: "5.0.0" },
    "node_modules/vitest": { version: "4.0.0", dev: true },
    "node_modules/only-on-a-mac": { version: "1.0.0", optional: true },
  },
};
const stamp = (mode: "runtime" | "development") => stampOf({ lockDigest: "d1", mode, platform: "linux-x64" });
const installed = (...names: readonly ("fastify" | "vitest")[]) =>
  JSON.stringify({
    packages: Object.fromEntries(names.map((name) => [`node_modules/${name}`, { version: name === "fastify" ? "5.0.0" : "4.0.0" }])),
  });

function decide(facts: Partial<InstallFacts>) {
  return decideInstall({
    mode: "runtime",
    lockText: JSON.stringify(lock),
    lockDigest: "d1",
    stampText: stamp("runtime"),
    installedText: undefined,
    nodeIsThere: true,
    platform: "linux-x64",
    ...facts,
  });
}

describe("the set-up", () => {
  test("installs on the first start", () => {
    expect(decide({ nodeIsThere: false, stampText: undefined })).toEqual({ kind: "install", reason: "first start" });
  });

  test("installs nothing when the lock file is the one that was installed", () => {
    expect(decide({})).toEqual({ kind: "keep", mode: "runtime" });
  });

  test("installs when the lock file changed", () => {
    expect(decide({ lockDigest: "d2", installedText: installed() })).toMatchObject({
      kind: "install",
      reason: "package-lock.json changed",
    });
  });

  test("adds the development packages when tests need them", () => {
    expect(decide({ mode: "development" })).toMatchObject({ kind: "install", reason: "development packages are missing" });
  });

  test("never takes development packages away for a start", () => {
    expect(decide({ stampText: stamp("development") })).toEqual({ kind: "keep", mode: "development" });
  });

  test("installs again on another platform", () => {
    expect(decide({ platform: "darwin-arm64" })).toMatchObject({ kind: "install", reason: "another platform" });
  });

  test("accepts an npm ci that was made by hand", () => {
    const byHand = { stampText: undefined, installedText: installed("fastify", "vitest") };
    expect(decide(byHand)).toEqual({ kind: "keep", mode: "development" });
    expect(decide({ ...byHand, mode: "development" })).toEqual({ kind: "keep", mode: "development" });
  });

  test("accepts an npm ci without development packages for a start, but not for tests", () => {
    const byHand = { stampText: undefined, installedText: installed("fastify") };
    expect(decide(byHand)).toEqual({ kind: "keep", mode: "runtime" });
    expect(decide({ ...byHand, mode: "development" })).toMatchObject({ kind: "install" });
  });

  test("installs when npm's own record shows a package missing or old", () => {
    expect(decide({ stampText: undefined, installedText: installed("vitest") })).toMatchObject({ kind: "install" });
    const old = JSON.stringify({ packages: { "node_modules/fastify": { version: "4.9.9" } } });
    expect(decide({ stampText: undefined, installedText: old })).toMatchObject({ kind: "install" });
  });

  test("installs when the stamp or the record cannot be read", () => {
    expect(decide({ stampText: "{", installedText: "null" })).toMatchObject({ kind: "install" });
  });
});
