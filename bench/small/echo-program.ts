/**
 * The doors alone, as a gateway opens them, before a model that answers at once with what it gets. What a request costs here is
 * parsing and encoding; what it costs more in a cluster is the way to the model and back.
 */
import { systemClock } from "../../core/clock.ts";
import { DOOR_DEFAULTS } from "../../core/door-options.ts";
import { systemRandom } from "../../core/random.ts";
import { createLogger } from "../../core/telemetry/logger.ts";
import { createMetrics } from "../../core/telemetry/metrics.ts";
import { VERSION } from "../../core/version.ts";
import { openDoors } from "../../gateway/doors.ts";
import { ScriptedModels } from "../../test/support/scripted-models.ts";
import { batchStatistics } from "../../test/support/scripted-statistics.ts";
import { ScriptedText } from "../../test/support/scripted-text.ts";
import { MODELS } from "./repositories.ts";

const tensor = (name: string) => ({ name, dtype: "FP32", dims: [-1] }) as const;
const models = new ScriptedModels({
  scripts: [{ name: MODELS.identity, does: "identity", maxBatchSize: 64, inputs: [tensor("INPUT0")], outputs: [tensor("OUTPUT0")] }],
});
const text = new ScriptedText();
let answered = 0;
await using stack = new AsyncDisposableStack();
const { httpAddress, grpcAddress } = await openDoors(
  { host: "127.0.0.1", port: 0, grpcPort: 0, metricsPort: 0 },
  DOOR_DEFAULTS,
  {
    clock: systemClock,
    random: systemRandom,
    logger: createLogger({ level: "warn", form: "readable" }),
    metrics: createMetrics(),
    metricsText: () => Promise.resolve(""),
    version: VERSION,
    generation: text,
    models: text,
    nodes: () => [],
    leave: async () => {},
    unplaced: () => [],
    tensors: {
      inference: {
        infer({ model, inputs: [input] }) {
          answered++;
          const outputs = input === undefined ? [] : [{ ...input, name: "OUTPUT0" }];
          return Promise.resolve({ model, version: "1", parameters: new Map(), outputs });
        },
        responses: (request, signal) => models.responses(request, signal),
      },
      catalog: models,
      control: models,
      statistics: {
        statistics: () =>
          Promise.resolve([{ name: MODELS.identity, version: "1", ...batchStatistics({ done: answered, executed: answered }) }]),
      },
    },
  },
  stack,
);
process.stdout.write(`  HTTP ${httpAddress}\n  gRPC ${grpcAddress}\n  Ctrl-C\n`);
await new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
await stack.disposeAsync();
process.exit();
