/** Does with a version what a load does, without serving it: tells what a load would tell. */
import { systemClock } from "../../core/clock.ts";
import type { ModelConfiguration } from "../../core/model/config/configuration.ts";
import type { ReadConfig } from "../../core/repository/model-config.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { Gateways } from "../calls/gateways.ts";
import { NodeCalls } from "../calls/node-calls.ts";
import { modelProcesses } from "../runners/model-process.ts";
import { CustomMetrics } from "./custom-metrics.ts";
import { enginePlan } from "./engine-plan.ts";
import { onnxSessionOptions } from "./onnx-config-session.ts";
import { openEngine } from "./open-engine.ts";
import { prepareVersion } from "./prepare-version.ts";
import { sequencePlan } from "./sequence-plan.ts";
import { warmUpBatches } from "./warm-up-batches.ts";

export interface VersionToTry {
  readonly version: string;
  /** Where processes open it, too, and run its warm-up; undefined: only what needs none is tried. */
  readonly open: { readonly folder: string; readonly logger: Logger } | undefined;
}

/** @throws ServingError what a load would be refused with */
export async function tryVersion(
  files: ModelFiles,
  read: Pick<ReadConfig, "draft" | "versions">,
  { version, open }: VersionToTry,
): Promise<void> {
  const { configuration, published, file } = await prepareVersion(files, read, { version, kept: () => false });
  if (file === undefined) return; // an ensemble, whose steps are tried by themselves, or a backend without files, and what needs no file has been checked
  if (open === undefined) await plan(configuration, files);
  else
    await openOnce(configuration, files, {
      version,
      configJson: published.configJson,
      file: `${open.folder}/${file.name}`,
      logger: open.logger,
    });
}

async function plan(configuration: ModelConfiguration, files: ModelFiles): Promise<void> {
  onnxSessionOptions(configuration);
  if (configuration.scheduler.kind === "sequence") await sequencePlan(configuration, { startAfter: 0 }, files);
  else await warmUpBatches(configuration, enginePlan(configuration, { startAfter: 0 }), files);
}

async function openOnce(
  configuration: ModelConfiguration,
  files: ModelFiles,
  {
    version,
    configJson,
    file,
    logger,
  }: { readonly version: string; readonly configJson: string; readonly file: string; readonly logger: Logger },
): Promise<void> {
  const model = configuration.name;
  const parameters = new Map([...configuration.parameters].filter(([name]) => name !== "sequence_state")); // there is no store to keep them
  const opened = {
    model,
    version,
    configJson,
    configuration: { ...configuration, parameters },
    files,
    file,
    composing: new Map(),
    replica: model,
  };
  const calls = new NodeCalls(() => undefined, new Gateways(), systemClock);
  const deps = {
    runners: modelProcesses({ logger }),
    clock: systemClock,
    logger,
    cache: undefined,
    startAfter: 0,
    calls,
    custom: new CustomMetrics(model, logger),
    onRestart: () => {},
  };
  await using _engine = await openEngine(opened, deps, new AbortController().signal);
}
