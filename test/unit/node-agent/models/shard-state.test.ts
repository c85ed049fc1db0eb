import { describe, expect, test } from "vitest";
import { NEW_SHARD, restartDelayMs, type ShardEvent, shardState } from "../../../../node-agent/models/shard-state.ts";

const opened: ShardEvent = { kind: "opened", runner: "r1", address: "unix:/a", residentBytes: 5 };
const description = { format: 1 } as never;
const run = (...events: readonly ShardEvent[]) => events.reduce(shardState, NEW_SHARD);

describe("the life of a shard", () => {
  test("leads from cutting over opening to open, and each connection raises the epoch", () => {
    expect(run({ kind: "progress", progress: 0.5 })).toEqual({ kind: "cutting", progress: 0.5 });
    expect(run({ kind: "cut", description })).toEqual({ kind: "opening" });
    expect(run({ kind: "cut", description }, opened)).toMatchObject({ kind: "open", epoch: 0, runner: "r1" });
    expect(run({ kind: "cut", description }, opened, { kind: "connected", epoch: 3 })).toMatchObject({ epoch: 3 });
    expect(run({ kind: "cut", description }, opened, { kind: "connected", epoch: 3 }, { kind: "connected", epoch: 2 })).toMatchObject({
      epoch: 3,
    });
  });

  test("a dead runner is restarted and starts again from epoch 0", () => {
    const died = run({ kind: "cut", description }, opened, { kind: "connected", epoch: 3 }, { kind: "died", reason: "SIGKILL" });
    expect(died).toEqual({ kind: "restarting", reason: "SIGKILL" });
    expect(shardState(shardState(died, { kind: "respawn" }), opened)).toMatchObject({ kind: "open", epoch: 0 });
  });

  test("late news of a runner that is gone changes nothing", () => {
    const died = run({ kind: "cut", description }, opened, { kind: "died", reason: "x" });
    expect(shardState(died, { kind: "connected", epoch: 9 })).toBe(died);
    expect(shardState(died, opened)).toBe(died);
  });

  test("pauses between restarts double up to ten seconds", () => {
    expect([1, 2, 3, 8, 11, 30].map(restartDelayMs)).toEqual([10, 20, 40, 1_280, 10_000, 10_000]);
  });
});
