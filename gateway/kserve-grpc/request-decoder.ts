/**
 * Decodes a ModelInferRequest by hand: raw contents are views, and no message costs more memory than its bytes allow for. Field
 * numbers are those of protos/grpc_service.proto. Pure.
 */
import { ServingError } from "../../core/errors.ts";
import { WIRE_BYTES, WireReader } from "./wire-reader.ts";

/** A parameter as it was sent: the kind decides what is taken for which key. */
export type WireParameter =
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "int64"; readonly value: bigint }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "double"; readonly value: number }
  | { readonly kind: "uint64"; readonly value: bigint }
  | { readonly kind: "none" };

export type WireParameters = ReadonlyMap<string, WireParameter>;

export interface WireInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters: WireParameters;
  /** The message InferTensorContents as it is. */
  readonly contents: Uint8Array | undefined;
}

export interface WireOutput {
  readonly name: string;
  readonly parameters: WireParameters;
}

export interface WireInferRequest {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly parameters: WireParameters;
  readonly inputs: readonly WireInput[];
  readonly outputs: readonly WireOutput[];
  readonly raw: readonly Uint8Array[];
}

/** More than any client sends: each costs memory far beyond the two bytes that it can be sent with. */
const TENSORS_MAX = 4_096;
const PARAMETERS_MAX = 1_024;
const DIMENSIONS_MAX = 64;

const NO_PARAMETERS: WireParameters = new Map();

/** @throws ServingError INVALID_ARGUMENT for what is no such message, or has too many parts */
export function decodeInferRequest(bytes: Uint8Array): WireInferRequest {
  const reader = new WireReader(bytes, "inference.ModelInferRequest");
  let [model, version, id] = ["", "", ""];
  let parameters: Map<string, WireParameter> | undefined;
  const inputs: WireInput[] = [];
  const outputs: WireOutput[] = [];
  const raw: Uint8Array[] = [];
  while (reader.more) {
    const tag = reader.tag();
    switch (tag) {
      case field(1):
        model = reader.string();
        break;
      case field(2):
        version = reader.string();
        break;
      case field(3):
        id = reader.string();
        break;
      case field(4):
        parameters ??= new Map();
        readParameter(reader, parameters);
        break;
      case field(5):
        checkCount(inputs.push(readInput(reader)), TENSORS_MAX, "inputs");
        break;
      case field(6):
        checkCount(outputs.push(readOutput(reader)), TENSORS_MAX, "requested outputs");
        break;
      case field(7):
        checkCount(raw.push(reader.bytes()), TENSORS_MAX, "raw contents");
        break;
      default:
        reader.skip(tag);
    }
  }
  return { model, version, id, parameters: parameters ?? NO_PARAMETERS, inputs, outputs, raw };
}

function field(number: number): number {
  return (number << 3) | WIRE_BYTES;
}

function readInput(reader: WireReader): WireInput {
  const outer = reader.enter();
  let [name, datatype] = ["", ""];
  let parameters: Map<string, WireParameter> | undefined;
  let contents: Uint8Array | undefined;
  const shape: number[] = [];
  while (reader.more) {
    const tag = reader.tag();
    switch (tag) {
      case field(1):
        name = reader.string();
        break;
      case field(2):
        datatype = reader.string();
        break;
      case field(3): {
        const packed = reader.enter();
        while (reader.more) checkCount(shape.push(reader.int64AsNumber()), DIMENSIONS_MAX, "dimensions of an input");
        reader.leave(packed);
        break;
      }
      case 3 << 3: // not packed
        checkCount(shape.push(reader.int64AsNumber()), DIMENSIONS_MAX, "dimensions of an input");
        break;
      case field(4):
        parameters ??= new Map();
        readParameter(reader, parameters);
        break;
      case field(5): {
        const part = reader.bytes();
        contents = contents === undefined ? part : Buffer.concat([contents, part]); // parts of one message are one message
        break;
      }
      default:
        reader.skip(tag);
    }
  }
  reader.leave(outer);
  return { name, datatype, shape, parameters: parameters ?? NO_PARAMETERS, contents };
}

function readOutput(reader: WireReader): WireOutput {
  const outer = reader.enter();
  let name = "";
  let parameters: Map<string, WireParameter> | undefined;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === field(1)) {
      name = reader.string();
    } else if (tag === field(2)) {
      parameters ??= new Map();
      readParameter(reader, parameters);
    } else {
      reader.skip(tag);
    }
  }
  reader.leave(outer);
  return { name, parameters: parameters ?? NO_PARAMETERS };
}

/** An entry of a map: the last of a key counts. */
function readParameter(reader: WireReader, into: Map<string, WireParameter>): void {
  const outer = reader.enter();
  let key = "";
  let parameter: WireParameter = { kind: "none" };
  while (reader.more) {
    const tag = reader.tag();
    if (tag === field(1)) key = reader.string();
    else if (tag === field(2)) parameter = readValue(reader);
    else reader.skip(tag);
  }
  reader.leave(outer);
  into.set(key, parameter);
  checkCount(into.size, PARAMETERS_MAX, "parameters");
}

function readValue(reader: WireReader): WireParameter {
  const outer = reader.enter();
  let parameter: WireParameter = { kind: "none" };
  while (reader.more) {
    const tag = reader.tag();
    switch (tag) {
      case 1 << 3:
        parameter = { kind: "bool", value: reader.boolean() };
        break;
      case 2 << 3:
        parameter = { kind: "int64", value: reader.int64() };
        break;
      case field(3):
        parameter = { kind: "string", value: reader.string() };
        break;
      case (4 << 3) | 1:
        parameter = { kind: "double", value: reader.double() };
        break;
      case 5 << 3:
        parameter = { kind: "uint64", value: reader.uint64() };
        break;
      default:
        reader.skip(tag);
    }
  }
  reader.leave(outer);
  return parameter;
}

function checkCount(count: number, most: number, what: string): void {
  if (count > most) throw new ServingError("INVALID_ARGUMENT", `the request has more than ${most} ${what}: send fewer`);
}
