/** Test projects: `fast` needs nothing but the source tree; `real` uses the real model, real processes and real servers. */
import { defineConfig } from "vitest/config";

const fast = ["unit", "contract", "scenarios", "simulation", "house"];
const real = ["engine", "cluster", "protocol"];
/** Contracts of adapters that need a server, and a test that looks into its process's heap, which it must have for itself. */
const alone = ["test/contract/servers/**/*.test.ts", "test/simulation/cluster/memory.test.ts"];
const folders = (names: readonly string[]) => names.map((name) => `test/${name}/**/*.test.ts`);

export default defineConfig({
  test: {
    projects: [
      // Files share a worker: loading the modules again for each one takes longer than the tests do.
      {
        test: {
          name: "fast",
          include: folders(fast),
          exclude: alone,
          isolate: false,
          maxWorkers: "100%", // of the cores; one is left free unless it is said
          testTimeout: 30_000,
        },
      },
      // Two cores: one file of real processes at a time, so that timings inside a file mean something.
      {
        test: {
          name: "real",
          include: [...folders(real), ...alone],
          globalSetup: "test/support/shards-of-the-run.ts",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
