/** Which backends there are here, and what to do with a model of another. Pure. */
import type { ModelConfig } from "../../../protos/gen/model_config_pb.ts";
import { ENSEMBLE_PLATFORM } from "./backend-fields.ts";
import { isBuiltInBackend } from "./built-in-backends.ts";
import { LANGUAGE_BACKEND } from "./language-settings.ts";
import type { ConfigProblem } from "./problems/problem.ts";

const ONNX_BACKEND = "onnxruntime";
export const PYTHON_BACKEND = "python";

const SERVED: readonly string[] = [ONNX_BACKEND, LANGUAGE_BACKEND, PYTHON_BACKEND];

/** How a model of a backend that is not here becomes one that is. */
const WAYS: Readonly<Record<string, string>> = {
  fil: "convert it to ONNX, for example with onnxmltools",
  openvino: "serve the ONNX file that it was made from",
  pytorch: "export it with torch.onnx.export",
  tensorflow: "convert it with tf2onnx",
  tensorrt: "serve the ONNX file that it was built from",
  torch_aoti: "export it with torch.onnx.export",
};

/** @param files of the model's folder @returns undefined when the backend is here, or when nothing can be said yet */
export function backendProblem({ backend, platform }: ModelConfig, files: readonly string[]): ConfigProblem | undefined {
  const isServed = SERVED.includes(backend) || isBuiltInBackend(backend);
  if (backend === "" || isServed || platform === ENSEMBLE_PLATFORM) return undefined;
  const onnx = files.find((name) => /^[1-9][0-9]*\/model\.onnx(?:\/|$)/.test(name));
  const way = onnx === undefined ? (WAYS[backend] ?? "export it to ONNX") : `${onnx} is there: set backend: "${ONNX_BACKEND}"`;
  return {
    message: `unable to find backend library for backend '${backend}': models here are ONNX files (${ONNX_BACKEND}), Python models (${PYTHON_BACKEND}), language models (${LANGUAGE_BACKEND}) and ensembles`,
    path: ["backend"],
    fix: way,
  };
}
