/** Tries what a load would do with each version of a model that has no problems so far. */
import { basename } from "node:path";
import { copiesRange, LANGUAGE_BACKEND, languageSettings, nodeLabels } from "../../core/model/config/language-settings.ts";
import type { DraftConfig } from "../../core/model/config/prepare.ts";
import { expectedChecksums } from "../../core/model/config/problems/repository-agents.ts";
import { backendProblem } from "../../core/model/config/served-backends.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { type ReadFolder, servingError } from "./read-folders.ts";

/** @param options.open ONNX models are opened by ONNX Runtime, too @returns the model with what failed */
export async function tryVersions(model: ReadFolder, options: { readonly open: boolean }): Promise<ReadFolder> {
  const { draft, folder, versions } = model;
  if (draft === undefined || draft.problems.length > 0 || backendProblem(draft.config, []) !== undefined) return model;
  const [{ Checksums }, { folderModelFiles }] = await Promise.all([
    import("../../core/repository/checksums.ts"),
    import("../../core/repository/folder.ts"),
  ]);
  const files = folderModelFiles(folder);
  const failures = [...model.failures];
  const attempt = async (what: () => void | Promise<void>) => {
    try {
      await what();
    } catch (thrown) {
      const error = servingError(thrown);
      if (!failures.some(({ message }) => message === error.message)) failures.push(error);
    }
  };
  await attempt(() => new Checksums().check(basename(folder), files, expectedChecksums(draft.config)));
  await attempt(() => void copiesRange(draft.config));
  await attempt(() => void nodeLabels(draft.config));
  if (draft.config.backend === LANGUAGE_BACKEND) await attempt(() => void languageSettings(draft.config));
  else {
    for (const [version, { problems }] of versions) {
      if (problems.length === 0) await attempt(() => tryOne(model, files, { draft, version: String(version), ...options }));
    }
  }
  return { ...model, failures };
}

async function tryOne(
  { folder, versions }: ReadFolder,
  files: ModelFiles,
  { draft, version, open }: { readonly draft: DraftConfig; readonly version: string; readonly open: boolean },
): Promise<void> {
  const [{ tryVersion }, { createLogger }] = await Promise.all([
    import("../../node-agent/models/try-version.ts"),
    import("../../core/telemetry/logger.ts"),
  ]);
  const logger = createLogger({ level: "error", form: "readable" });
  await tryVersion(files, { draft, versions }, { version, open: open ? { folder, logger } : undefined });
}
