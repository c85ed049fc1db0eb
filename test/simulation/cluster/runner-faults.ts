/** Runners that die, refuse and stall. */
import { ServingError } from "../../../core/errors.ts";
import type { ScriptedRunner } from "../../support/scripted/scripted-runner.ts";
import type { FaultKind, FaultTools } from "./fault-kind.ts";

/** Runners that die five times in a row before they are open are given up by design: fewer such deaths per simulation. */
const STILLBORN_MAX = 3;
const FOREVER_MS = 3_600_000;

/** @param hits whether runners of this replica are among those that fail; those that have not opened are nobody's yet */
export function runnerFaults({ cluster: { hub }, dice, hanging }: FaultTools, hits: (replica: string) => boolean): readonly FaultKind[] {
  let stillborn = 0;
  const open = () => hub.runners.filter(({ alive, shard }) => alive && shard !== undefined && hits(shard.replica));
  const opening = () => {
    if (stillborn === STILLBORN_MAX || !hits("")) return [];
    stillborn += 1;
    return hub.runners.filter(({ alive, shard }) => alive && shard === undefined);
  };
  const fault = (weight: number, what: string, runners: () => ScriptedRunner[], act: (runner: ScriptedRunner) => void): FaultKind => ({
    weight,
    begin: () => {
      const runner = dice.pick(runners());
      if (runner === undefined) return undefined;
      act(runner);
      return `${runner.incarnation} ${what}`;
    },
  });
  return [
    fault(8, "is killed", open, (runner) => runner.kill()),
    fault(2, "is killed while it opens", opening, (runner) => runner.kill()),
    fault(2, "dies on its shard", opening, (runner) => runner.failOpen(new ServingError("UNAVAILABLE", "the runner died on it"))),
    fault(4, "refuses its next step", open, (runner) => runner.failStep("out of memory")),
    fault(4, "stalls", open, (runner) => runner.stall(dice.whole(50, 3_000))),
    fault(2, "hangs", open, (runner) => {
      hanging.add(runner);
      runner.stall(FOREVER_MS);
    }),
  ];
}
