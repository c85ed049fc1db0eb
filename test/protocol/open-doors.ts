/** All doors as a gateway opens them, over scripted models and scripted text, on loopback ports of their own. */
import { systemClock } from "../../core/clock.ts";
import { DOOR_DEFAULTS, type DoorOptions } from "../../core/door-options.ts";
import { seededRandom } from "../../core/random.ts";
import { createLogger } from "../../core/telemetry/logger.ts";
import { createMetrics } from "../../core/telemetry/metrics.ts";
import { type OpenDoors, openDoors } from "../../gateway/doors.ts";
import { ScriptedModels } from "../support/scripted-models.ts";
import { ScriptedText } from "../support/scripted-text.ts";

export interface ScriptedDoors extends OpenDoors, AsyncDisposable {
  readonly models: ScriptedModels;
  readonly text: ScriptedText;
  readonly grpcPort: number;
}

export interface ScriptedBehind {
  readonly host?: string;
  readonly text?: ScriptedText;
  /** Gets the lines of the audit log. */
  readonly audit?: (line: string) => void;
}

export async function startDoors(
  options: Partial<DoorOptions> = {},
  { host = "127.0.0.1", text = new ScriptedText(), audit = () => {} }: ScriptedBehind = {},
): Promise<ScriptedDoors> {
  await using stack = new AsyncDisposableStack();
  const models = new ScriptedModels({ mode: "explicit" });
  await models.load("add_sub", { files: new Map() });
  const metrics = stack.use(createMetrics());
  const deps = {
    clock: systemClock,
    random: seededRandom(7n),
    logger: createLogger({ level: "silent", form: "json" }),
    auditLog: createLogger({ level: "info", form: "json", write: audit }),
    metrics,
    version: "0.0.0",
    generation: text,
    models: text,
    tensors: { inference: models, catalog: models, control: models, statistics: models },
    nodes: () => [],
    leave: async () => {},
    unplaced: () => [],
    metricsText: () => metrics.metricsText(),
  };
  const opened = await openDoors({ host, port: 0, grpcPort: 0, metricsPort: 0 }, { ...DOOR_DEFAULTS, ...options }, deps, stack);
  const running = stack.move();
  return {
    ...opened,
    models,
    text,
    grpcPort: Number(opened.grpcAddress?.split(":").at(-1) ?? 0),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
