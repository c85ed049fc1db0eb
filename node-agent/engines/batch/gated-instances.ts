/** A model's instances behind the node's gate: what could never execute is refused before any process is started. */
import type { RatedInstance } from "../../scheduling/rate-limiter.ts";
import type { ExecutionGate } from "./execution-gate.ts";
import { InstancePasses } from "./instance-passes.ts";
import { ModelInstances } from "./model-instances.ts";

type Open = typeof ModelInstances.open;

export type GatedInstancesDeps = Parameters<Open>[1] & {
  /** Where instances wait for counted resources; undefined: resources are not counted. */
  readonly gate?: ExecutionGate | undefined;
};

export interface GatedInstances {
  readonly instances: ModelInstances;
  /** To be closed when the instances are gone. */
  readonly passes: InstancePasses;
}

/** @throws ServingError INVALID_ARGUMENT when an instance could never execute; as `ModelInstances.open`. Nothing is left behind. */
export async function openGatedInstances(
  options: Parameters<Open>[0] & { readonly rates: readonly RatedInstance[] },
  deps: GatedInstancesDeps,
  signal: AbortSignal,
): Promise<GatedInstances> {
  const passes = new InstancePasses(deps.gate, { rates: options.rates, instances: options.count, onGranted: deps.onChange });
  try {
    return { passes, instances: await ModelInstances.open(options, deps, signal) };
  } catch (thrown) {
    passes.close();
    throw thrown;
  }
}
