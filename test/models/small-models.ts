/**
 * Small models for tests of serving, each for one thing that a server must do right. Their files are made anew each time, always of
 * the same bytes; nothing binary lies in the repository.
 */
import { type ModelDtype, type ModelShape, OnnxModel } from "./onnx-model.ts";

/** OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1. */
export function addSub(shape: ModelShape = [4], dtype: ModelDtype = "f32"): Uint8Array {
  return new OnnxModel()
    .input("INPUT0", dtype, shape)
    .input("INPUT1", dtype, shape)
    .output("OUTPUT0", dtype, shape)
    .output("OUTPUT1", dtype, shape)
    .node({ op: "Add", inputs: ["INPUT0", "INPUT1"], outputs: ["OUTPUT0"] })
    .node({ op: "Sub", inputs: ["INPUT0", "INPUT1"], outputs: ["OUTPUT1"] })
    .finish();
}

/** OUTPUT0 = INPUT0, of any datatype; its default shape batches, with rows of any length. */
export function identity(dtype: ModelDtype = "f32", shape: ModelShape = ["batch", "length"]): Uint8Array {
  return new OnnxModel()
    .input("INPUT0", dtype, shape)
    .output("OUTPUT0", dtype, shape)
    .node({ op: "Identity", inputs: ["INPUT0"], outputs: ["OUTPUT0"] })
    .finish();
}

/** SCORES = softmax(X · W), [batch, features] to [batch, classes]: the weights are a fixed pattern. One large product runs faster than many small. */
export function classifier(features: number, classes: number): Uint8Array {
  const weights = Float32Array.from({ length: features * classes }, (_, index) => ((index * 37) % 101) / 101 - 0.5);
  return new OnnxModel()
    .input("X", "f32", ["batch", features])
    .output("SCORES", "f32", ["batch", classes])
    .constant("W", [features, classes], weights)
    .node({ op: "MatMul", inputs: ["X", "W"], outputs: ["LOGITS"] })
    .node({ op: "Softmax", inputs: ["LOGITS"], outputs: ["SCORES"], attributes: { axis: -1 } })
    .finish();
}

/** OUTPUT0 = INPUT0, [batch, 16], after `nodes` operators one after the other: the run takes as long as there are nodes. */
export function slow(nodes: number): Uint8Array {
  const width = 16;
  const model = new OnnxModel().input("INPUT0", "f32", ["batch", width]).output("OUTPUT0", "f32", ["batch", width]);
  // A product with the identity: no optimizer folds a chain of products away.
  const eye = Float32Array.from({ length: width * width }, (_, index) => (index % (width + 1) === 0 ? 1 : 0));
  model.constant("EYE", [width, width], eye);
  for (let index = 0; index < nodes; index++) {
    const [input, output] = [index === 0 ? "INPUT0" : `STEP${index}`, index === nodes - 1 ? "OUTPUT0" : `STEP${index + 1}`];
    model.node({ op: "MatMul", inputs: [input, "EYE"], outputs: [output] });
  }
  return model.finish();
}

/** OUTPUT0 = INPUT0 mod INPUT1 of INT32, row by row: the runtime divides -2^31 by -1 without looking, which ends its process (SIGFPE on x86). */
export function remainder(): Uint8Array {
  return new OnnxModel()
    .input("INPUT0", "i32", ["batch", 1])
    .input("INPUT1", "i32", ["batch", 1])
    .output("OUTPUT0", "i32", ["batch", 1])
    .node({ op: "Mod", inputs: ["INPUT0", "INPUT1"], outputs: ["OUTPUT0"] })
    .finish();
}

/**
 * Opens well, and fails in every run whose INDEX lies outside 0 to 3: OUTPUT0 = [10, 20, 30, 40][INDEX]. The runtime cannot know the
 * index before.
 */
export function failing(): Uint8Array {
  return new OnnxModel()
    .input("INDEX", "i64", ["batch"])
    .output("OUTPUT0", "f32", ["batch"])
    .constant("TABLE", [4], Float32Array.of(10, 20, 30, 40))
    .node({ op: "Gather", inputs: ["TABLE", "INDEX"], outputs: ["OUTPUT0"], attributes: { axis: 0 } })
    .finish();
}

/** OUTPUT0 = INPUT0 + BIAS, [batch, 4]; BIAS, [4], is 1 unless a request gives it. */
export function optionalBias(): Uint8Array {
  return new OnnxModel()
    .input("INPUT0", "f32", ["batch", 4])
    .input("BIAS", "f32", [4])
    .output("OUTPUT0", "f32", ["batch", 4])
    .constant("BIAS", [4], Float32Array.of(1, 1, 1, 1))
    .node({ op: "Add", inputs: ["INPUT0", "BIAS"], outputs: ["OUTPUT0"] })
    .finish();
}

/** SUM = a scalar, and COUNT = a scalar for each row: TOTAL [] = the sum of VALUES [batch, length], ROWS [batch] = the sum of each row. */
export function scalars(): Uint8Array {
  return new OnnxModel()
    .input("VALUES", "f32", ["batch", "length"])
    .output("TOTAL", "f32", [])
    .output("ROWS", "f32", ["batch"])
    .constant("AXIS", [1], BigInt64Array.of(1n))
    .node({ op: "ReduceSum", inputs: ["VALUES"], outputs: ["TOTAL"], attributes: { keepdims: 0 } })
    .node({ op: "ReduceSum", inputs: ["VALUES", "AXIS"], outputs: ["ROWS"], attributes: { keepdims: 0 } })
    .finish();
}

/** Of a batch's elements, X [elements], and of where each request ends among them, ENDS [requests]: TWICE = X + X, SO_FAR [requests, 1] = the sum of all up to there. */
export function ragged(): Uint8Array {
  return new OnnxModel()
    .input("X", "f32", ["elements"])
    .input("ENDS", "f32", ["requests"])
    .output("TWICE", "f32", ["elements"])
    .output("SO_FAR", "f32", ["requests", 1])
    .constant("FIRST", [1], BigInt64Array.of(0n))
    .constant("ONE", [1], BigInt64Array.of(1n))
    .node({ op: "Add", inputs: ["X", "X"], outputs: ["TWICE"] })
    .node({ op: "CumSum", inputs: ["X", "FIRST"], outputs: ["SUMS"] })
    .node({ op: "Cast", inputs: ["ENDS"], outputs: ["BEHIND"], attributes: { to: 7 } })
    .node({ op: "Sub", inputs: ["BEHIND", "ONE"], outputs: ["LAST"] })
    .node({ op: "Gather", inputs: ["SUMS", "LAST"], outputs: ["FLAT"], attributes: { axis: 0 } })
    .node({ op: "Unsqueeze", inputs: ["FLAT", "ONE"], outputs: ["SO_FAR"] })
    .finish();
}

/**
 * A running sum for sequences, with the sum as implicit state or as an ordinary tensor: OUTPUT = INPUT + (START ? 0 : INPUT_STATE),
 * OUTPUT_STATE = OUTPUT, all i32 [batch, 1]. CORRID, [batch, 1], comes back as CORRID_SEEN; CONTROLS = READY + END.
 */
export function accumulate(corrid: "u64" | "u32" | "string" = "u64"): Uint8Array {
  const model = new OnnxModel();
  for (const name of ["INPUT", "START", "READY", "END", "INPUT_STATE"]) model.input(name, "i32", ["batch", 1]);
  model.input("CORRID", corrid, ["batch", 1]);
  for (const name of ["OUTPUT", "OUTPUT_STATE", "CONTROLS"]) model.output(name, "i32", ["batch", 1]);
  return model
    .output("CORRID_SEEN", corrid, ["batch", 1])
    .constant("ONE", [1], Int32Array.of(1))
    .node({ op: "Sub", inputs: ["ONE", "START"], outputs: ["CONTINUES"] })
    .node({ op: "Mul", inputs: ["INPUT_STATE", "CONTINUES"], outputs: ["BEFORE"] })
    .node({ op: "Add", inputs: ["INPUT", "BEFORE"], outputs: ["OUTPUT"] })
    .node({ op: "Identity", inputs: ["OUTPUT"], outputs: ["OUTPUT_STATE"] })
    .node({ op: "Add", inputs: ["READY", "END"], outputs: ["CONTROLS"] })
    .node({ op: "Identity", inputs: ["CORRID"], outputs: ["CORRID_SEEN"] })
    .finish();
}

/** Gives back what came before: PREVIOUS = STATE, NEXT_STATE = INPUT, rows of any length and of any datatype. */
export function delayed(dtype: ModelDtype = "f32"): Uint8Array {
  return new OnnxModel()
    .input("INPUT", dtype, ["batch", "length"])
    .input("STATE", dtype, ["batch", "before"])
    .output("PREVIOUS", dtype, ["batch", "before"])
    .output("NEXT_STATE", dtype, ["batch", "length"])
    .node({ op: "Identity", inputs: ["STATE"], outputs: ["PREVIOUS"] })
    .node({ op: "Identity", inputs: ["INPUT"], outputs: ["NEXT_STATE"] })
    .finish();
}

/** Says to each row of a batch how many rows there are, ROWS, and how many of them are READY; all i32 [batch, 1]. */
export function rowCounts(): Uint8Array {
  const model = new OnnxModel().constant("ONE", [1], Int32Array.of(1)).constant("AXIS", [1], BigInt64Array.of(0n));
  for (const name of ["INPUT", "READY"]) model.input(name, "i32", ["batch", 1]);
  for (const name of ["ROWS", "READY_ROWS"]) model.output(name, "i32", ["batch", 1]);
  return model
    .node({ op: "Sub", inputs: ["INPUT", "INPUT"], outputs: ["ZEROS"] })
    .node({ op: "Add", inputs: ["ZEROS", "ONE"], outputs: ["ONES"] })
    .node({ op: "ReduceSum", inputs: ["ONES", "AXIS"], outputs: ["ROW_SUM"] })
    .node({ op: "ReduceSum", inputs: ["READY", "AXIS"], outputs: ["READY_SUM"] })
    .node({ op: "Add", inputs: ["ZEROS", "ROW_SUM"], outputs: ["ROWS"] })
    .node({ op: "Add", inputs: ["ZEROS", "READY_SUM"], outputs: ["READY_ROWS"] })
    .finish();
}
