import { closeSync, openSync } from "node:fs";
import { expect, test } from "vitest";
import { LENT_BYTES_MAX } from "../../../../core/bytes/lent-memory.ts";
import { SharedTensors } from "../../../../node-agent/runners/shared-tensors.ts";

const isLinux = process.platform === "linux";

/** An agent's end and its runner's. */
function bothEnds() {
  using stack = new DisposableStack();
  const agent = SharedTensors.create();
  if (agent === undefined) throw new Error("no shared memory");
  stack.use(agent);
  const runner = SharedTensors.inherited(openSync(`/proc/self/fd/${agent.file}`, "r+"));
  if (runner === undefined) throw new Error("nothing is shared");
  stack.use(runner);
  const held = stack.move();
  return { agent, runner, [Symbol.dispose]: () => held.dispose() };
}

test.runIf(isLinux)("what one end writes the other reads, and no tensor touches another", () => {
  using ends = bothEnds();
  const lengths = [5, 64, 0, 65, 1];
  for (const side of ["inputs", "outputs"] as const)
    for (const [index, place] of (ends.agent[side](lengths) ?? []).entries()) place.fill(index + (side === "inputs" ? 1 : 11));
  const seen = (["inputs", "outputs"] as const).map((side) => ends.runner[side](lengths)?.map((place) => [...new Set(place)].join()));
  expect(seen).toEqual([
    ["1", "2", "", "4", "5"],
    ["11", "12", "", "14", "15"],
  ]);
});

test.runIf(isLinux)("tensors that are too large together have no place", () => {
  using ends = bothEnds();
  const places = [[LENT_BYTES_MAX], [LENT_BYTES_MAX, 1], [LENT_BYTES_MAX - 1, 1]].map((lengths) => [
    ends.agent.inputs(lengths)?.length,
    ends.runner.outputs(lengths)?.length,
  ]);
  expect(places).toEqual([
    [1, 1],
    [undefined, undefined],
    [undefined, undefined],
  ]);
});

test("a runner whose agent shares nothing has none", () => {
  const file = openSync("/dev/null", "r");
  expect(SharedTensors.inherited(file)).toBeUndefined();
  closeSync(file);
});
