/** Finds the checkpoint of a model version, whichever format it has. */
import { ServingError } from "../../core/errors.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openGgufCheckpoint } from "./gguf-checkpoint.ts";
import { openSafetensorsCheckpoint } from "./safetensors-checkpoint.ts";

/**
 * Looks in the version's folder, then in the model's own: `model.gguf`, the only other `*.gguf`, or `config.json` with safetensors.
 *
 * @param version the version's folder, such as `1`
 * @throws ServingError NOT_FOUND when there is none; INVALID_ARGUMENT when several GGUF files leave the choice open; DATA_LOSS and
 * UNIMPLEMENTED as the formats' readers say
 */
export async function openCheckpoint(files: ModelFiles, version: string): Promise<Checkpoint> {
  const source = await checkpointSource(files, version);
  return source.kind === "gguf" ? openGgufCheckpoint(files, source.file) : openSafetensorsCheckpoint(files, source.folder);
}

export type CheckpointSource = { readonly kind: "gguf"; readonly file: string } | { readonly kind: "safetensors"; readonly folder: string };

/** Where `openCheckpoint` looks; readers of tokenizers look there too. Folders end with `/`, the model's own is empty. */
export async function checkpointSource(files: ModelFiles, version: string): Promise<CheckpointSource> {
  const names = (await files.list()).map(({ name }) => name);
  for (const folder of [`${version}/`, ""]) {
    const here = names.filter((name) => name.startsWith(folder) && !name.slice(folder.length).includes("/"));
    const gguf = here.filter((name) => name.endsWith(".gguf"));
    const file = gguf.find((name) => name === `${folder}model.gguf`) ?? gguf[0];
    if (file !== undefined) {
      if (gguf.length > 1 && file !== `${folder}model.gguf`) {
        throw new ServingError("INVALID_ARGUMENT", `there are ${gguf.length} GGUF files: name the one to serve 'model.gguf'`);
      }
      return { kind: "gguf", file };
    }
    if (here.includes(`${folder}config.json`)) return { kind: "safetensors", folder };
  }
  throw new ServingError("NOT_FOUND", `version ${version} has neither a model.gguf nor a config.json with safetensors files`);
}
