/** What the partitioner is told on its command line. */
import { parseArgs } from "node:util";
import { ServingError } from "../core/errors.ts";
import { isQuantization, QUANTIZATIONS, type Quantization } from "../core/model/shard-description.ts";

export interface PartitionerArguments {
  /** Where the model's files are; undefined: they are asked of the parent process, under the model's name. */
  readonly modelFolder: string | undefined;
  readonly model: string;
  /** The version's folder in the model's, such as `1`. */
  readonly version: string;
  readonly stage: number;
  readonly stages: number;
  readonly quantization: Quantization | "auto";
  readonly cacheFolder: string;
}

/** @throws ServingError INVALID_ARGUMENT naming the flag that is missing or wrong */
export function parseCommandLine(argv: readonly string[]): PartitionerArguments {
  const flag = { type: "string" } as const;
  let values: Readonly<Record<string, string | undefined>>;
  try {
    const options = { "model-folder": flag, model: flag, version: flag, stage: flag, stages: flag, quantization: flag, out: flag };
    values = parseArgs({ args: [...argv], options }).values;
  } catch (cause) {
    throw new ServingError("INVALID_ARGUMENT", cause instanceof Error ? cause.message : "invalid arguments", { cause });
  }
  const text = (name: string, fallback?: string): string => {
    const value = values[name] ?? fallback;
    if (value !== undefined && value !== "") return value;
    throw new ServingError("INVALID_ARGUMENT", `--${name} is missing`);
  };
  const count = (name: string, fallback: string): number => {
    const value = text(name, fallback);
    if (/^\d{1,6}$/.test(value)) return Number(value);
    throw new ServingError("INVALID_ARGUMENT", `--${name} must be a whole number, not '${value}'`);
  };
  const quantization = text("quantization", "auto");
  if (quantization !== "auto" && !isQuantization(quantization)) {
    throw new ServingError("INVALID_ARGUMENT", `--quantization must be auto, ${QUANTIZATIONS.join(", ")}, not '${quantization}'`);
  }
  const { model = "" } = values;
  return {
    modelFolder: model === "" ? text("model-folder") : undefined,
    model,
    version: text("version", "1"),
    stage: count("stage", "0"),
    stages: count("stages", "1"),
    quantization,
    cacheFolder: text("out"),
  };
}
