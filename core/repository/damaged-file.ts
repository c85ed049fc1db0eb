/** What a file may be that is no ONNX model, so that people need not look into it. */
import { ServingError } from "../errors.ts";
import type { FileInfo, ModelFiles } from "./repository.ts";

const HEAD_BYTES = 64;

const KINDS: readonly (readonly [begins: RegExp, what: string])[] = [
  [/^version https:\/\/git-lfs/, "is a pointer of Git LFS: fetch the file with git lfs pull"],
  [/^\s*<(?:!doctype|html|\?xml)/i, "is a web page or XML: download the file itself"],
  [/^PK/, "is a ZIP archive, as PyTorch saves: export the model to ONNX, or unpack it"],
  [/^GGUF/, 'is a GGUF file: name it model.gguf and set backend: "llm"'],
  [/^\s*\{/, "is JSON"],
];

/** @returns the same error unless the file is known as something else */
export async function damagedFile(files: ModelFiles, { name, bytes }: FileInfo, error: ServingError): Promise<ServingError> {
  if (error.code !== "DATA_LOSS") return error;
  const refused = (what: string) => new ServingError("DATA_LOSS", `${name} ${what}`, { cause: error, reason: "damaged_model" });
  if (bytes === 0) return refused("is empty: export or copy the file again");
  const head = new TextDecoder().decode(await files.readRange(name, 0, Math.min(HEAD_BYTES, bytes)));
  const what = KINDS.find(([begins]) => begins.test(head))?.[1];
  return what === undefined ? error : refused(what);
}
