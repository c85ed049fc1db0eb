/** The same small models for both servers: as ONNX files for ours, as Python with the same ONNX files for Triton's Python backend. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { classifier, identity } from "../../test/models/small-models.ts";

export interface ModelFolders extends AsyncDisposable {
  readonly ours: string;
  readonly theirs: string;
}

const FEATURES = 64;
const CLASSES = 16;
/** A product of which many rows together cost little more than one: its weights are read once. */
export const WIDE_FEATURES = 1_024;
const WIDE_CLASSES = 1_024;

/** Under these names in both repositories; `alone` and `together` are the same file: a request at a time, and dynamic batching. */
export const MODELS = { identity: "identity", classifier: "classifier", alone: "alone", together: "together" } as const;

const THEIRS = {
  [MODELS.identity]: `class TritonPythonModel:
    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("OUTPUT0", pb.get_input_tensor_by_name(r, "INPUT0").as_numpy())]) for r in requests]
`,
  [MODELS.classifier]: `class TritonPythonModel:
    def initialize(self, args):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        file = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        inputs = [pb.get_input_tensor_by_name(r, "X").as_numpy() for r in requests]
        scores = self.session.run(["SCORES"], {"X": np.concatenate(inputs)})[0]
        ends = np.cumsum([len(x) for x in inputs])
        return [pb.InferenceResponse([pb.Tensor("SCORES", part)]) for part in np.split(scores, ends[:-1])]
`,
};
const IMPORTS = "import os\nimport numpy as np\nimport onnxruntime as ort\nimport triton_python_backend_utils as pb\n\n";

/** Removed when it is disposed. */
export async function writeModels(): Promise<ModelFolders> {
  const root = await mkdtemp(path.join(tmpdir(), "nereid-bench-models-"));
  const [ours, theirs] = [path.join(root, "ours"), path.join(root, "theirs")];
  const dynamic = "max_batch_size: 64 dynamic_batching {}";
  const narrow = classifier(FEATURES, CLASSES);
  const wide = classifier(WIDE_FEATURES, WIDE_CLASSES);
  const io = (input: string, size: number, output: string, outputSize: number) =>
    `input { name: "${input}" data_type: TYPE_FP32 dims: [${size}] } output { name: "${output}" data_type: TYPE_FP32 dims: [${outputSize}] }`;
  const python = `backend: "python" ${dynamic} instance_group { count: 1 kind: KIND_CPU }`;
  await put(ours, MODELS.identity, { "1/model.onnx": identity(), "config.pbtxt": dynamic });
  await put(ours, MODELS.classifier, { "1/model.onnx": narrow, "config.pbtxt": dynamic });
  await put(ours, MODELS.alone, { "1/model.onnx": wide, "config.pbtxt": "max_batch_size: 1" });
  await put(ours, MODELS.together, { "1/model.onnx": wide, "config.pbtxt": dynamic });
  await put(theirs, MODELS.identity, {
    "1/model.py": IMPORTS + THEIRS.identity,
    "config.pbtxt": `${python} ${io("INPUT0", -1, "OUTPUT0", -1)}`,
  });
  await put(theirs, MODELS.classifier, {
    "1/model.py": IMPORTS + THEIRS.classifier,
    "1/model.onnx": narrow,
    "config.pbtxt": `${python} ${io("X", FEATURES, "SCORES", CLASSES)}`,
  });
  return { ours, theirs, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

async function put(repository: string, model: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(repository, model, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}
