/** What the KServe door needs to serve models whose inputs and outputs are tensors. */

import { ServingError } from "../../core/errors.ts";
import type { ModelDirectory } from "../serving/generation/text-generation.ts";
import type { Inference } from "../serving/inference.ts";
import type { ModelCatalog, ModelControl, ModelDemand, ModelStatisticsSource } from "../serving/model-catalog.ts";
import { LogSettings } from "./log-settings.ts";
import { SharedMemoryRegions } from "./shared-memory.ts";
import { TraceSettings } from "./trace-settings.ts";
import { invalid } from "./triton-error.ts";

export interface TensorServing {
  readonly inference: Inference;
  readonly catalog: ModelCatalog;
  readonly control: ModelControl;
  /** undefined: models are loaded before they are asked for. */
  readonly demand?: ModelDemand | undefined;
  readonly statistics: ModelStatisticsSource;
  /** One for all doors: a client may register over one protocol and infer over another. */
  readonly sharedMemory: SharedMemoryRegions;
  readonly trace: TraceSettings;
  readonly log: LogSettings;
  /** Headers whose name matches become request parameters (`headerPattern`); undefined: none. */
  readonly forwardedHeaders: RegExp | undefined;
}

/** A server that has language models only. */
export function noTensorServing(models: ModelDirectory): TensorServing {
  const unknown = (name: string) =>
    new ServingError("NOT_FOUND", `Request for unknown model: '${name}' is not found`, { reason: "model_not_found" });
  const refuseControl = () =>
    Promise.reject(new ServingError("UNAVAILABLE", "explicit model load / unload is not allowed if polling is enabled"));
  return {
    inference: {
      infer: ({ model }) => Promise.reject(unknown(model)),
      responses: ({ model }) => {
        throw unknown(model);
      },
    },
    catalog: {
      view: (name) => {
        throw unknown(name);
      },
      isReady: () => false,
      allReady: () => models.list().every(({ readiness }) => readiness.kind === "ready"),
    },
    control: { index: () => Promise.resolve([]), load: refuseControl, unload: refuseControl },
    statistics: {
      statistics: (name) =>
        name === undefined ? Promise.resolve([]) : Promise.reject(invalid(`requested model '${name}' is not available`)),
    },
    sharedMemory: new SharedMemoryRegions({ allowed: false }),
    trace: new TraceSettings(),
    log: new LogSettings(),
    forwardedHeaders: undefined,
  };
}
