/** `nereid models validate`: what auto-complete makes of models' configurations, and everything that is wrong with them. */
import { relative, resolve } from "node:path";
import { ServingError } from "../core/errors.ts";
import { composeModels } from "./models/compose.ts";
import { composingFolder, modelFolders, type ReadFolder, readFolders } from "./models/read-folders.ts";
import { type ModelReport, reportModel } from "./models/report.ts";
import { reportText } from "./models/report-text.ts";
import { tryVersions } from "./models/try-versions.ts";

export interface ValidateOptions {
  /** For programs instead of people. */
  readonly json?: boolean;
  /** ONNX models are opened and warmed up, as a load would. */
  readonly open?: boolean;
}

export interface ReportOutput {
  write(text: string): unknown;
}

/**
 * @param folders of models, or repositories of them
 * @throws ServingError FAILED_PRECONDITION when something is wrong, after all of it has been told
 */
export async function validateModels(folders: readonly string[], output: ReportOutput, options: ValidateOptions = {}): Promise<void> {
  const { json = false, open = false } = options;
  const given = await modelFolders([...new Set(folders.map((folder) => resolve(folder)))]);
  const composed = composeModels(await readFolders(given), composingFolder);
  const reports: ModelReport[] = [];
  for (const folder of given) {
    const model = composed.get(folder);
    if (model === undefined) continue;
    const report = reportModel(await tryVersions(model, { open }), relative(process.cwd(), folder) || ".", await fileNames(model));
    reports.push(report);
    if (!json) output.write(reportText(report));
  }
  if (json) output.write(`${JSON.stringify(reports.map(forPrograms), null, 2)}\n`);
  const wrong = reports.filter(({ fine }) => !fine).length;
  if (wrong > 0) throw new ServingError("FAILED_PRECONDITION", `${wrong} of ${given.length} model folders have problems`);
}

async function fileNames({ folder, draft }: ReadFolder): Promise<readonly string[]> {
  if (draft === undefined) return [];
  const { folderModelFiles } = await import("../core/repository/folder.ts");
  return (await folderModelFiles(folder).list()).map(({ name }) => name);
}

function forPrograms({ completed: _, ...report }: ModelReport): unknown {
  return report;
}
