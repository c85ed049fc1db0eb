/** What `nereid models validate` has found in a model's folder. Pure. */
import type { ServingError } from "../../core/errors.ts";
import type { ConfigPath, ConfigProblem } from "../../core/model/config/problems/problem.ts";
import { withoutEffect } from "../../core/model/config/problems/without-effect.ts";
import { backendProblem } from "../../core/model/config/served-backends.ts";
import { configJson } from "../../core/model/config/text/config-json.ts";
import { completedText } from "../../core/model/config/text/config-text.ts";
import type { ReadFolder } from "./read-folders.ts";

/** In a configuration's file; undefined where the thing is not in it. */
interface Place {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

export interface Finding extends Place {
  /** As Triton says it where it says it. */
  readonly message: string;
  /** undefined: the message has it. */
  readonly fix?: string;
  /** `input[0].dims`; undefined: the whole folder. */
  readonly field?: string;
}

export interface EffectlessField extends Place {
  readonly field: string;
  readonly why: string;
}

export interface ModelReport {
  readonly folder: string;
  readonly fine: boolean;
  /** To be served, highest first. */
  readonly versions: readonly number[];
  /** Asked for and not there. */
  readonly missing: readonly number[];
  readonly problems: readonly Finding[];
  /** What is written and changes nothing here. */
  readonly withoutEffect: readonly EffectlessField[];
  /** As it is served, as far as it could be completed. */
  readonly config: unknown;
  /** The same for people, line by line, and whether somebody wrote it. */
  readonly completed: readonly { readonly text: string; readonly isNew: boolean }[];
}

/** @param folder as people have written it @param files in it */
export function reportModel(model: ReadFolder, folder: string, files: readonly string[]): ModelReport {
  const { draft, versions } = model;
  const problems = [...configProblems(model, files).map((problem) => placed(model, problem)), ...model.failures.map(failureFinding)];
  const [finished] = versions.values();
  const config = finished?.config ?? draft?.config;
  return {
    folder,
    fine: problems.length === 0,
    versions: draft?.versions.served ?? [],
    missing: draft?.versions.missing ?? [],
    problems,
    withoutEffect: (draft === undefined ? [] : withoutEffect(draft.given)).map(({ path, why }) => ({
      field: fieldText(path),
      why,
      ...placeOf(model, path),
    })),
    config: config === undefined ? undefined : JSON.parse(configJson(config)),
    completed: draft === undefined || config === undefined ? [] : completedText(draft.given, config),
  };
}

/** Each once, though every version has it. */
function configProblems({ draft, versions }: ReadFolder, files: readonly string[]): readonly ConfigProblem[] {
  if (draft === undefined) return [];
  const ofBackend = backendProblem(draft.config, files);
  const all = [
    ...draft.problems,
    ...(ofBackend === undefined ? [] : [ofBackend]),
    ...[...versions.values()].flatMap(({ problems }) => problems),
  ];
  return [...new Map(all.map((problem) => [`${problem.message} ${problem.path.join("/")}`, problem])).values()];
}

function placed(model: ReadFolder, { message, path, fix }: ConfigProblem): Finding {
  return { message, fix, ...(path.length > 0 && { field: fieldText(path) }), ...placeOf(model, path) };
}

function placeOf({ draft, file }: ReadFolder, path: ConfigPath): Place {
  const position = draft?.positions?.positionOf(path);
  return file === undefined || position === undefined ? {} : { file, ...position };
}

/** A text that could not be read says its place itself: `Error parsing text-format …: LINE:COLUMN: what`. */
function failureFinding({ message }: ServingError): Finding {
  const [, line, column, what] = /^Error parsing text-format [^ ]+: (\d+):(\d+): ([\s\S]*)$/.exec(message) ?? [];
  return what === undefined ? { message } : { message: what, file: "config.pbtxt", line: Number(line), column: Number(column) };
}

const fieldText = (path: ConfigPath): string =>
  path.reduce<string>((text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`), "");
