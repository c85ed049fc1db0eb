/** Makes a model version's text bundle from its files: a GGUF file's own metadata, or a Hugging Face folder. */
import { ServingError } from "../../core/errors.ts";
import type { TextBundle } from "../../core/model/text-bundle.ts";
import type { FileInfo, ModelFiles } from "../../core/repository/repository.ts";
import { readGguf } from "../sources/gguf.ts";
import { ggufTextBundle } from "./gguf-text.ts";
import { huggingFaceTextBundle } from "./huggingface-text.ts";

/** The largest known tokenizer.json is 33 MB (Gemma 3). */
const FILE_BYTES_MAX = 128 * 1024 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true });

async function readText(files: ModelFiles, file: FileInfo): Promise<string> {
  if (file.bytes > FILE_BYTES_MAX)
    throw new ServingError("FAILED_PRECONDITION", `'${file.name}' has ${file.bytes} bytes, at most ${FILE_BYTES_MAX}`);
  const bytes = await files.readRange(file.name, 0, file.bytes);
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new ServingError("FAILED_PRECONDITION", `'${file.name}' is not UTF-8`, { cause });
  }
}

async function readJson(files: ModelFiles, file: FileInfo): Promise<unknown> {
  const text = await readText(files, file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ServingError("FAILED_PRECONDITION", `'${file.name}' is not JSON`, { cause });
  }
}

/**
 * @param version the folder in the model's files, such as `1`
 * @throws ServingError FAILED_PRECONDITION when there is no tokenizer or a damaged one, UNIMPLEMENTED for an unknown kind
 */
export async function textBundle(files: ModelFiles, version: string): Promise<TextBundle> {
  const own = (await files.list()).filter((file) => file.name.startsWith(`${version}/`));
  const gguf = own.find((file) => file.name.endsWith(".gguf"));
  if (gguf !== undefined) return ggufTextBundle((await readGguf(files, gguf.name)).metadata);
  const find = (name: string): FileInfo | undefined => own.find((file) => file.name === `${version}/${name}`);
  const json = async (name: string): Promise<unknown> => {
    const file = find(name);
    return file === undefined ? undefined : await readJson(files, file);
  };
  if (find("tokenizer.json") === undefined)
    throw new ServingError("FAILED_PRECONDITION", `version ${version} has neither a .gguf file nor a tokenizer.json: add the model's own`);
  const template = find("chat_template.jinja");
  return huggingFaceTextBundle({
    tokenizer: await json("tokenizer.json"),
    tokenizerConfig: await json("tokenizer_config.json"),
    generationConfig: await json("generation_config.json"),
    modelConfig: await json("config.json"),
    chatTemplate: template === undefined ? undefined : await readText(files, template),
  });
}
