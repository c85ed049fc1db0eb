/** `nereid models validate`: what auto-complete makes of models' configurations, and everything that is wrong with them. */
import { relative, resolve } from "node:path";
import { ServingError } from "../core/errors.ts";
import { composeModels } from "./models/compose.ts";
import { composingFolder, type ReadFolder, readFolders } from "./models/read-folders.ts";
import { type ReportOutput, reportModel } from "./models/report.ts";

/** @throws ServingError FAILED_PRECONDITION when something is wrong, after all of it has been told */
export async function validateModels(folders: readonly string[], output: ReportOutput): Promise<void> {
  const given = [...new Set(folders.map((folder) => resolve(folder)))];
  const read = await readFolders(given);
  const composed = composeModels(read, composingFolder);
  const reported = given.map((folder) => composed.get(folder)).filter((model): model is ReadFolder => model !== undefined);
  const wrong = reported.filter((model) => reportModel(model, relative(process.cwd(), model.folder) || ".", output) === "wrong").length;
  if (wrong > 0) throw new ServingError("FAILED_PRECONDITION", `${wrong} of ${given.length} model folders have problems`);
}
