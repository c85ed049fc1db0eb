/** Plans loads from the repository's folders: reads a model's configuration, chooses its versions, notices what has changed. */
import { createHash } from "node:crypto";
import { ServingError } from "../../core/errors.ts";
import type { ModelName } from "../../core/ids.ts";
import { copiesRange, LANGUAGE_BACKEND, languageSettings, nodeLabels } from "../../core/model/config/language-settings.ts";
import { problemError } from "../../core/model/config/problems/problem.ts";
import { expectedChecksums } from "../../core/model/config/problems/repository-agents.ts";
import { Checksums } from "../../core/repository/checksums.ts";
import { readModelDraft } from "../../core/repository/model-config.ts";
import type { ModelSources } from "../../core/repository/model-sources.ts";
import type { FileInfo, ModelFiles } from "../../core/repository/repository.ts";
import type { LoadPlan } from "../placement/wanted-transitions.ts";
import type { LoadOverrides } from "../serving/model-catalog.ts";
import type { FolderPlan, ModelFolders } from "./model-folders.ts";

export class RepositoryFolders implements ModelFolders {
  readonly #sources: ModelSources;
  readonly #checksums = new Checksums();

  constructor(sources: ModelSources) {
    this.#sources = sources;
  }

  names(): Promise<readonly string[]> {
    return this.#sources.names();
  }

  ambiguous(): Promise<readonly string[]> {
    return this.#sources.ambiguous();
  }

  async plan(model: ModelName, overrides: LoadOverrides, before?: LoadPlan): Promise<FolderPlan> {
    const uploaded = overrides.files.size > 0;
    if (uploaded && overrides.config === undefined) {
      throw new ServingError("INVALID_ARGUMENT", "files are uploaded without a configuration: give 'config' too");
    }
    const source = uploaded ? await this.#sources.save(model, overrides.files) : "";
    const files = await this.#sources.files(model, source);
    const configDigest = await files.digest(CONFIG_FILE).catch(() => "");
    const isKept = source === "" && before?.source === "" && before.configDigest === configDigest;
    const override = overrides.config ?? (isKept && before.config !== "" ? before.config : undefined);
    const { draft, list } = await readModelDraft(files, { ...this.#sources.reading, model, ...(override !== undefined && { override }) });
    const [problem] = draft.problems;
    if (problem !== undefined) throw problemError(problem);
    await this.#checksums.check(model, files, expectedChecksums(draft.config));
    const isLanguage = draft.config.backend === LANGUAGE_BACKEND;
    if (isLanguage && uploaded) {
      throw new ServingError("UNIMPLEMENTED", `language model '${model}' cannot be uploaded: put it into the repository`, {
        reason: "not_served_yet",
      });
    }
    const versions = draft.versions.served.map(String).toSorted((a, b) => Number(a) - Number(b));
    const config = override ?? "";
    return {
      versions,
      source,
      config,
      ...(override !== undefined && { configDigest }),
      ...(await digestsOf(files, { list, config, versions })),
      ...copiesRange(draft.config),
      ...nodeLabels(draft.config),
      bytes: Math.max(...versions.map((version) => bytesOf(list, version))),
      ...(draft.members.length > 0 && { calls: draft.members }),
      ...(isLanguage ? { language: languageSettings(draft.config) } : {}),
    };
  }
}

const CONFIG_FILE = "config.pbtxt";

/** Of a version's folder, or of the model's own where the version has none. */
function bytesOf(list: readonly FileInfo[], version: string): number {
  const own = list.filter(({ name }) => name.startsWith(`${version}/`));
  return (own.length === 0 ? list : own).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Of all that the model has, and of each version with what all versions have. */
async function digestsOf(
  files: ModelFiles,
  { list, config, versions }: { readonly list: readonly FileInfo[]; readonly config: string; readonly versions: readonly string[] },
): Promise<Required<Pick<LoadPlan, "fingerprint" | "digests">>> {
  const all: { readonly name: string; readonly digest: string }[] = [];
  for (const { name } of list) all.push({ name, digest: await files.digest(name) });
  const digestOf = (some: typeof all): string => {
    const hash = createHash("sha256").update(config);
    for (const { name, digest } of some) hash.update(`\0${name}\0${digest}`);
    return hash.digest("hex");
  };
  const isPartOf = (version: string, name: string) => name.startsWith(`${version}/`) || !VERSION_FOLDER.test(name);
  const digests = versions.map((version) => [version, digestOf(all.filter(({ name }) => isPartOf(version, name)))]);
  return { fingerprint: digestOf(all), digests: Object.fromEntries(digests) };
}

const VERSION_FOLDER = /^[1-9][0-9]*\//;
