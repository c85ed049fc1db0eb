/** Test projects: `fast` needs nothing but the source tree; `real` uses the real model, real processes and real sockets. */
import { defineConfig } from "vitest/config";

const fast = ["unit", "contract", "scenarios", "simulation", "house"];
const real = ["engine", "cluster", "protocol"];
const folders = (names: readonly string[]) => names.map((name) => `test/${name}/**/*.test.ts`);

export default defineConfig({
  test: {
    projects: [
      // Files share a worker: loading the modules again for each one takes longer than the tests do.
      { test: { name: "fast", include: folders(fast), isolate: false } },
      // Two cores: one file of real processes at a time, so that timings inside a file mean something.
      { test: { name: "real", include: folders(real), fileParallelism: false, testTimeout: 120_000, hookTimeout: 300_000 } },
    ],
  },
});
