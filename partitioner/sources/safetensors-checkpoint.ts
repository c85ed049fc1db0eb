/** A Hugging Face folder (config.json and safetensors files) as a checkpoint. */
import { ServingError } from "../../core/errors.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { bytesOf, isTensorType } from "../quantize/tensor-type.ts";
import type { Checkpoint, CheckpointTensor } from "./checkpoint.ts";
import { configHyperparameters } from "./config-hyperparameters.ts";
import { objectFields } from "./json-object.ts";
import { readJsonObject } from "./read-json.ts";
import { readSafetensors, type SafetensorsTensor } from "./safetensors.ts";
import { sourceDigest } from "./source-digest.ts";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** @param folder with a trailing `/`, or empty for the model's own folder */
export async function openSafetensorsCheckpoint(files: ModelFiles, folder: string): Promise<Checkpoint> {
  const config = await readJsonObject(files, `${folder}config.json`);
  const weightFiles = await weightFileNames(files, folder);
  const tensors = new Map<string, SafetensorsTensor>();
  for (const file of weightFiles) {
    for (const [name, tensor] of await readSafetensors(files, file)) {
      if (tensors.has(name))
        throw new ServingError("DATA_LOSS", `tensor '${name}' lies both in '${tensors.get(name)?.file}' and in '${file}'`);
      tensors.set(name, tensor);
    }
  }
  const matrices = [...tensors.values()].filter(({ shape }) => shape.length > 1).map(({ dtype }) => dtype);
  return {
    layout: "huggingface",
    hyperparameters: configHyperparameters(`${folder}config.json`, config),
    digest: await sourceDigest(files, folder, [`${folder}config.json`, ...weightFiles]),
    weightTypes: [...new Set(matrices)].filter(isTensorType),
    has: (name) => tensors.has(name),
    tensor: (name) => checkpointTensor(files, tensors, name),
  };
}

/** One file, or those that the index names. */
async function weightFileNames(files: ModelFiles, folder: string): Promise<readonly string[]> {
  const present = new Set((await files.list()).map(({ name }) => name));
  if (!present.has(`${folder}${INDEX}`)) return [`${folder}${SINGLE}`];
  const weightMap = objectFields((await readJsonObject(files, `${folder}${INDEX}`)).get("weight_map"));
  if (weightMap === undefined) throw new ServingError("DATA_LOSS", `'${folder}${INDEX}' has no 'weight_map'`);
  const names = [...new Set(weightMap.values())].map((name) => {
    if (typeof name === "string" && present.has(folder + name)) return folder + name;
    throw new ServingError("DATA_LOSS", `'${folder}${INDEX}' names ${JSON.stringify(name)}, which is not there`);
  });
  return names.sort();
}

function checkpointTensor(files: ModelFiles, tensors: ReadonlyMap<string, SafetensorsTensor>, name: string): CheckpointTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new ServingError("DATA_LOSS", `the checkpoint has no tensor '${name}'`);
  const { dtype, shape, file, offset } = tensor;
  if (!isTensorType(dtype)) {
    throw new ServingError("UNIMPLEMENTED", `tensor '${name}' has the dtype ${dtype}, which is not read: only F32, F16 and BF16 are`);
  }
  const columns = shape.at(-1) ?? 1;
  const rowBytes = bytesOf(dtype, columns);
  return {
    name,
    type: dtype,
    rows: shape.slice(0, -1).reduce((product, size) => product * size, 1),
    columns,
    rowsAlignment: 1,
    readRows: (firstRow, endRow) => files.readRange(file, offset + firstRow * rowBytes, (endRow - firstRow) * rowBytes),
  };
}
