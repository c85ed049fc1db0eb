/**
 * Holds an ONNX file to its own folder: tensors that lie in other files may lie in those that are listed beside it, and within them. It
 * is looked at before the runtime opens anything, which follows names wherever they lead. A list has no links in it.
 */
import { ServingError } from "../errors.ts";
import { type ExternalData, readExternalData } from "../model/onnx-external-data.ts";
import { readRanges } from "./read-ranges.ts";
import type { FileInfo, ModelFiles } from "./repository.ts";

/** The identifier of ONNX Runtime's own format, which its loader looks for at this place whatever the file's name says. */
const ORT_FORMAT = { offset: 4, text: "ORTM" } as const;

/** @throws ServingError INVALID_ARGUMENT naming what the file asks for; DATA_LOSS when it is no ONNX model */
export async function checkExternalData(files: ModelFiles, file: FileInfo): Promise<void> {
  const { offset, text } = ORT_FORMAT;
  if (file.bytes > offset + text.length && new TextDecoder().decode(await files.readRange(file.name, offset, text.length)) === text) {
    throw refused(file, "is in ONNX Runtime's own format: give the ONNX file");
  }
  const external = await readRanges(files, file, readExternalData(file.bytes));
  if (external.length === 0) return;
  const folder = file.name.slice(0, file.name.lastIndexOf("/") + 1);
  const bytesOf = new Map((await files.list()).map(({ name, bytes }) => [name, bytes]));
  for (const place of external) checkPlace(file, place, bytesOf.get(folder + place.location));
}

function checkPlace(file: FileInfo, { location, offset, length }: ExternalData, bytes: number | undefined): void {
  const shown = JSON.stringify(location.slice(0, 80));
  if (bytes === undefined) throw refused(file, `has a tensor in ${shown}, which is no plain file beside it`);
  const end = offset + (length ?? 0);
  if (Number.isSafeInteger(end) && offset >= 0 && (length ?? 0) >= 0 && end <= bytes) return;
  throw refused(file, `has a tensor at ${offset} of ${shown} with ${length ?? "the rest"} bytes, but that has ${bytes}`);
}

function refused({ name }: FileInfo, what: string): ServingError {
  return new ServingError("INVALID_ARGUMENT", `${name} ${what}`, { reason: "external_data" });
}
