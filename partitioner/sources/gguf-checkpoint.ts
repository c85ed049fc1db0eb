/** A GGUF file as a checkpoint. */
import { ServingError } from "../../core/errors.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { dequantize } from "../quantize/dequantize.ts";
import { bytesOf, isTensorType, type TensorType } from "../quantize/tensor-type.ts";
import type { Checkpoint, CheckpointTensor } from "./checkpoint.ts";
import { type GgufFile, type GgufTensor, readGguf } from "./gguf.ts";
import { ggufHyperparameters } from "./gguf-hyperparameters.ts";
import { sourceDigest } from "./source-digest.ts";

/** @param name the file, such as `1/model.gguf` */
export async function openGgufCheckpoint(files: ModelFiles, name: string): Promise<Checkpoint> {
  const file = await readGguf(files, name);
  const splits = file.metadata.get("split.count");
  if (typeof splits === "number" && splits > 1) {
    throw new ServingError("UNIMPLEMENTED", `'${name}' is one of ${splits} parts: join them with llama-gguf-split --merge`);
  }
  const tensor = (tensorName: string) => checkpointTensor(files, file, tensorName);
  const divisors = file.tensors.has("rope_freqs.weight") ? await vectorOf(tensor("rope_freqs.weight")) : undefined;
  return {
    layout: "gguf",
    hyperparameters: ggufHyperparameters(file, divisors),
    digest: await sourceDigest(files, name.slice(0, name.lastIndexOf("/") + 1), [name]),
    weightTypes: weightTypes(file),
    has: (tensorName) => file.tensors.has(tensorName),
    tensor,
  };
}

function weightTypes(file: GgufFile): readonly TensorType[] {
  const types = [...file.tensors.values()].filter(({ dimensions }) => dimensions.length > 1).map(({ type }) => type);
  return [...new Set(types)].filter(isTensorType);
}

function checkpointTensor(files: ModelFiles, file: GgufFile, name: string): CheckpointTensor {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new ServingError("DATA_LOSS", `${file.name}: there is no tensor '${name}'`);
  const type = readableType(tensor);
  const [columns = 1, ...others] = tensor.dimensions;
  const rowBytes = bytesOf(type, columns);
  return {
    name,
    type,
    rows: others.reduce((product, size) => product * size, 1),
    columns,
    rowsAlignment: 1,
    readRows: (firstRow, endRow) => files.readRange(file.name, tensor.offset + firstRow * rowBytes, (endRow - firstRow) * rowBytes),
  };
}

function readableType(tensor: GgufTensor): TensorType {
  if (isTensorType(tensor.type)) return tensor.type;
  throw new ServingError(
    "UNIMPLEMENTED",
    `tensor '${tensor.name}' has the type ${tensor.type}, which is not read: quantize to Q4_K_M, Q8_0 or F16`,
  );
}

async function vectorOf(tensor: CheckpointTensor): Promise<Float32Array> {
  return dequantize(tensor.type, await tensor.readRows(0, 1), new Float32Array(tensor.columns));
}
