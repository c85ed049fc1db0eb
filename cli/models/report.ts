/** What `nereid models validate` prints of a model. Pure. */
import { join } from "node:path";
import { completedText } from "../../core/model/config/config-text.ts";
import type { ConfigProblem } from "../../core/model/config/problem.ts";
import type { ReadFolder } from "./read-folders.ts";

export interface ReportOutput {
  write(text: string): unknown;
}

/** @param shown the model's folder as people have written it */
export function reportModel(model: ReadFolder, shown: string, output: ReportOutput): "fine" | "wrong" {
  const problems = problemsOf(model);
  if (model.failure !== undefined) {
    const file = join(shown, "config.pbtxt");
    output.write(`${shown}: has problems\n  ${placed(file, model.failure.message)}\n`);
    return "wrong";
  }
  const verdict = problems.length === 0 ? "fine" : "has problems";
  const versions = model.read?.draft.versions.served ?? [];
  const list = versions.length === 0 ? "no version" : `version${versions.length > 1 ? "s" : ""} ${versions.join(", ")}`;
  output.write(`${shown}: ${verdict}, ${list}\n`);
  for (const version of model.read?.draft.versions.missing ?? []) {
    output.write(`  version ${version} is asked for and not there\n`);
  }
  for (const problem of problems) output.write(problemText(model, problem, shown));
  if (problems.length === 0) output.write(completionText(model));
  return problems.length === 0 ? "fine" : "wrong";
}

/** Each once, though every version has it. */
function problemsOf({ read, versions }: ReadFolder): readonly ConfigProblem[] {
  const all = [...(read?.draft.problems ?? []), ...[...versions.values()].flatMap(({ problems }) => problems)]; // a draft may have no version
  return [...new Map(all.map((problem) => [`${problem.message} ${problem.path.join("/")}`, problem])).values()];
}

function problemText({ read }: ReadFolder, { message, path, fix }: ConfigProblem, shown: string): string {
  const place = read?.draft.positions?.positionOf(path);
  const where = read?.file === undefined || place === undefined ? shown : `${join(shown, read.file)}:${place.line}:${place.column}`;
  return `  ${where}: ${message}\n    fix: ${fix}\n`;
}

/** A text that could not be read says its place itself: `Error parsing text-format …: LINE:COLUMN: what`. */
function placed(file: string, message: string): string {
  const [, line, column, what] = /^Error parsing text-format [^ ]+: (\d+):(\d+): ([\s\S]*)$/.exec(message) ?? [];
  return what === undefined ? message : `${file}:${line}:${column}: ${what}`;
}

/** The configuration as it is served; `+` before what was filled in. */
function completionText({ read, versions }: ReadFolder): string {
  const [finished] = versions.values();
  if (read === undefined || finished === undefined) return "";
  const lines = completedText(read.draft.given, finished.config).flatMap(({ text, isNew }) =>
    text.split("\n").map((line) => `  ${isNew ? "+" : " "} ${line}\n`),
  );
  return lines.join("");
}
