/** What is to be served from the start: the presets, and what of the repository the options say. */
import { type Clock, sleep } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { ClusterModelControl } from "./control/model-control.ts";
import type { GatewayOptions } from "./gateway-options.ts";

const STORE_RETRY_MS = 1_000;

/** Tries until the store has been there. @returns why models could not be loaded */
export async function loadFirst(
  options: GatewayOptions,
  control: ClusterModelControl,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly ServingError[]> {
  for (;;) {
    const failures = await loadOnce(options, control, signal);
    if (!failures.some(({ code }) => code === "UNAVAILABLE")) return failures;
    await sleep(clock, STORE_RETRY_MS, signal);
  }
}

/** What is loaded at the start, where that is not the options' to say. */
const FIRST: Partial<Record<GatewayOptions["modelControl"], readonly string[]>> = { none: ["*"], poll: ["*"], off: [] };

async function loadOnce(
  { presets, modelControl, loadModel = [] }: GatewayOptions,
  control: ClusterModelControl,
  signal: AbortSignal,
): Promise<readonly ServingError[]> {
  await control.storeHeard(signal);
  const names = new Set<string>(presets.map(({ model }) => model));
  const [fromRepository, ...ofPresets] = await Promise.all([
    control.loadAll({ only: FIRST[modelControl] ?? loadModel, except: names }, signal),
    ...presets.map(({ model, plan }) =>
      control.loadPlanned(model, plan, signal).then(
        () => [],
        (thrown: unknown) => [ServingError.from(thrown)],
      ),
    ),
  ]);
  return [...ofPresets.flat(), ...fromRepository];
}
