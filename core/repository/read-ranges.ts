/** Gives a reader of ranges the bytes of a model's file that it asks for. */
import { ServingError } from "../errors.ts";
import type { RangeReader } from "../model/protobuf-fields.ts";
import type { FileInfo, ModelFiles } from "./repository.ts";

/** @throws ServingError what the reader throws, with the file's name before it */
export async function readRanges<Result>(files: ModelFiles, { name }: FileInfo, reader: RangeReader<Result>): Promise<Result> {
  try {
    let step = reader.next();
    while (step.done !== true) step = reader.next(await files.readRange(name, step.value.offset, step.value.length));
    return step.value;
  } catch (thrown) {
    const { code, message, reason } = ServingError.from(thrown);
    throw new ServingError(code, `${name}: ${message}`, { cause: thrown, ...(reason === undefined ? {} : { reason }) });
  }
}
