/** Plans loads from the repository's folders: reads a model's configuration, chooses its versions, notices what has changed. */
import { createHash } from "node:crypto";
import { ServingError } from "../../core/errors.ts";
import { type ModelName, modelName } from "../../core/ids.ts";
import { problemError } from "../../core/model/config/problem.ts";
import { readModelDraft } from "../../core/repository/model-config.ts";
import type { ModelSources } from "../../core/repository/model-sources.ts";
import type { FileInfo, ModelFiles } from "../../core/repository/repository.ts";
import type { LoadOverrides } from "../serving/model-catalog.ts";
import type { ModelFolders, PlannedModel } from "./model-folders.ts";

/** Language models are cut over nodes: they are not whole models. */
const LANGUAGE_MODEL = "llm";

export class RepositoryFolders implements ModelFolders {
  readonly #sources: ModelSources;

  constructor(sources: ModelSources) {
    this.#sources = sources;
  }

  async names(): Promise<readonly string[]> {
    const names = (await this.#sources.names()).map(modelName);
    const kept = await Promise.all(names.map((name) => this.#isWhole(name)));
    return names.filter((_, index) => kept[index]);
  }

  async plan(model: ModelName, overrides: LoadOverrides): Promise<PlannedModel> {
    const uploaded = overrides.files.size > 0;
    if (uploaded && overrides.config === undefined) {
      throw new ServingError("INVALID_ARGUMENT", "files are uploaded without a configuration: give 'config' too");
    }
    const source = uploaded ? await this.#sources.save(model, overrides.files) : "";
    const files = await this.#sources.files(model, source);
    const { draft, list } = await readModelDraft(files, {
      model,
      ...(overrides.config === undefined ? {} : { override: overrides.config }),
    });
    const [problem] = draft.problems;
    if (problem !== undefined) throw problemError(problem);
    const versions = draft.versions.served.map(String).toSorted((a, b) => Number(a) - Number(b));
    const config = overrides.config ?? "";
    return { versions, source, config, fingerprint: await fingerprint(files, list, config) };
  }

  async #isWhole(name: ModelName): Promise<boolean> {
    try {
      const files = await this.#sources.files(name, "");
      const { draft } = await readModelDraft(files, { model: name });
      return draft.config.backend !== LANGUAGE_MODEL;
    } catch {
      return true; // its load says what is wrong with it
    }
  }
}

async function fingerprint(files: ModelFiles, list: readonly FileInfo[], config: string): Promise<string> {
  const hash = createHash("sha256").update(config);
  for (const { name } of list) hash.update(`\0${name}\0${await files.digest(name)}`);
  return hash.digest("hex");
}
