/** Answers what another node asks of the model files that are here. */
import { ServingError } from "../errors.ts";
import { modelName } from "../ids.ts";
import { decodeJson, encodeJson } from "../messages/json-message.ts";
import { FilesRequest } from "../messages/model-files.ts";
import type { ModelSources } from "./model-sources.ts";
import { modelNotFound } from "./range.ts";
import type { ModelFiles } from "./repository.ts";

/**
 * @param asked a FilesRequest as JSON
 * @throws ServingError as the folder does; ABORTED when the file has another content than the asker began to read
 */
export async function answerFiles(asked: Uint8Array, sources: Pick<ModelSources, "names" | "files">): Promise<Uint8Array> {
  const request = decodeJson(FilesRequest, asked);
  if (request.ask === "models") return encodeJson(await sources.names());
  const files = await filesOf(request, sources);
  switch (request.ask) {
    case "list":
      return encodeJson(await files.list());
    case "digest":
      return encodeJson(await files.digest(request.name));
    case "range": {
      const { name, offset, length, digest } = request;
      if ((await files.digest(name)) === digest) return await files.readRange(name, offset, length);
      throw new ServingError("ABORTED", `'${name}' of model '${request.model}' changed while it was read: load the model again`);
    }
  }
}

async function filesOf({ model, source }: { model: string; source: string }, sources: Pick<ModelSources, "files">): Promise<ModelFiles> {
  try {
    return await sources.files(modelName(model), source);
  } catch (thrown) {
    throw ServingError.from(thrown).code === "INVALID_ARGUMENT" ? modelNotFound(model) : thrown; // no model has such a name
  }
}
