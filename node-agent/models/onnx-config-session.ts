/** What ONNX Runtime is told about a model's session: parameters and optimization of its configuration. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { ModelConfiguration } from "../../core/model/config/configuration.ts";
import type { OpenModel } from "../../core/wire/model-runner.ts";

const SESSION_ENTRY = /^session\./;
/** What would name other files than the model's own, or read it as another format. */
const FILE_ENTRY = /^session\..*(path|file|folder|format|model_bytes)/;

/** @throws ServingError INVALID_ARGUMENT when a parameter is no number, in Triton's words, or names a file */
export function onnxSessionOptions({ parameters, optimization }: ModelConfiguration): Omit<OpenModel, "file"> {
  const named = [...parameters.keys()].find((name) => FILE_ENTRY.test(name));
  if (named !== undefined) {
    throw new ServingError("INVALID_ARGUMENT", `the parameter ${named} names files or formats, which is not allowed: leave it out`, {
      param: named,
    });
  }
  const number = (name: string, fallback: number): number => {
    const text = parameters.get(name);
    if (text === undefined) return fallback;
    if (/^\s*[+-]?\d{1,9}/.test(text)) return Number.parseInt(text, 10);
    throw new ServingError("INVALID_ARGUMENT", `failed to convert ${name} '${text}' to integral number`, { param: name });
  };
  return {
    intraThreads: Math.max(number("intra_op_thread_count", 0), 0),
    interThreads: Math.max(number("inter_op_thread_count", 0), 0),
    optimization: optimization.graphLevel,
    execution: number("execution_mode", 0) === 1 ? "parallel" : "sequential",
    memoryArena: number("enable_mem_arena", 1) !== 0,
    memoryPattern: number("enable_mem_pattern", 1) !== 0,
    configEntries: Object.fromEntries([...parameters].filter(([name]) => SESSION_ENTRY.test(name))),
  };
}
