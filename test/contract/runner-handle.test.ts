import { describe } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { modelName, replicaId } from "../../core/ids.ts";
import type { RunnerHandle } from "../../core/wire/runner-handle.ts";
import type { ScriptedRunner } from "../support/scripted/scripted-runner.ts";
import { ScriptedRunners } from "../support/scripted/scripted-runners.ts";
import { runnerHandleContract } from "./runner-handle.ts";

const shard = { folder: "/scripted", replica: replicaId(modelName("model"), "1", 0), slots: 2, contextLength: 64, threads: 1 };

describe("scripted", () =>
  runnerHandleContract(async () => {
    const hub = new ScriptedRunners({ clock: systemClock });
    const wire = hub.openWire();
    const scripted = (runner: RunnerHandle): ScriptedRunner | undefined => hub.runners.find((one) => one === runner);
    return {
      factory: hub,
      wire,
      shard,
      openBroken(runner, signal) {
        scripted(runner)?.failOpen(new ServingError("NOT_FOUND", "no such shard"));
        return runner.open(shard, signal);
      },
      [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose](),
    };
  }));
