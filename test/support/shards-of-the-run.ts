/** Cut shards that all tests of a run share: what they show is what the partitioner writes today, and it writes it once. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

export const SHARDS_OF_THE_RUN = "NEREID_TEST_SHARDS";

/** vitest calls it before the first test, and what it returns after the last. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(path.join(tmpdir(), "nereid-shards-"));
  process.env[SHARDS_OF_THE_RUN] = folder;
  return () => rm(folder, { recursive: true, force: true });
}
