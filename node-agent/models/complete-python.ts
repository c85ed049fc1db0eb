/** Lets a Python model fill in its configuration (`auto_complete_config`), in a process that ends with that. */

import { ServingError } from "../../core/errors.ts";
import { PYTHON_BACKEND } from "../../core/model/config/served-backends.ts";
import { configJson } from "../../core/model/config/text/config-json.ts";
import { modelFile, type ReadConfig, type ReadConfigOptions, readModelConfig } from "../../core/repository/model-config.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { PYTHON, type PythonBackendDeps, pythonOpen } from "../backends/python.ts";
import { PythonProcess } from "../runners/python-process.ts";

export interface PythonToComplete {
  readonly version: string;
  /** Where the repository's file of this name is on disk. */
  readonly place: (name: string) => Promise<string>;
}

const HOOK = "auto_complete_config";
const ALONE = `${HOOK} can neither call nor load other models: do that in initialize or execute`;
/** Larger programs keep what their configuration says. */
const PROGRAM_BYTES_MAX = 2 ** 20;

/** The same where there is nothing to complete. @throws ServingError what the model raised; the signal's reason */
export async function completePython(
  files: ModelFiles,
  read: ReadConfig,
  { version, place }: PythonToComplete,
  reading: ReadConfigOptions,
  { python = PYTHON, clock, logger }: Pick<PythonBackendDeps, "python" | "clock" | "logger">,
  signal: AbortSignal,
): Promise<ReadConfig> {
  const { draft, versions } = read;
  const finished = versions.get(Number(version));
  if (draft.config.backend !== PYTHON_BACKEND || finished === undefined || reading.autoComplete === false) return read;
  const { name, bytes } = modelFile(draft, Number(version), await files.list());
  if (bytes > PROGRAM_BYTES_MAX || !new TextDecoder().decode(await files.readRange(name, 0, bytes)).includes(HOOK)) return read;
  const about = { name: draft.config.name, parameters: new Map<string, string>() };
  const open = pythonOpen({ configuration: about, configJson: configJson(finished.config), version, file: await place(name) }, about.name);
  const alone = (number: number) => process.answerCall(number, new ServingError("FAILED_PRECONDITION", ALONE), true);
  const listener = { answered: () => {}, called: alone, controlled: alone, callCanceled: () => {}, measured: () => {} };
  const process: PythonProcess = new PythonProcess({ python, clock, logger }, listener);
  try {
    const override = new TextDecoder().decode(await process.open({ ...open, complete: true }, signal));
    return await readModelConfig(files, { ...reading, override });
  } finally {
    await process.close();
  }
}
