/**
 * Where an ONNX file says that tensors lie in other files: every TensorProto of the graph, its nodes' attributes, their subgraphs and
 * the model's functions, found without the runtime, which would open whatever is named. Field numbers are those of onnx.proto. Pure.
 */
import { ServingError } from "../errors.ts";
import { type ProtobufField, ProtobufFile, type RangeReader } from "./protobuf-fields.ts";

/** A tensor's place in another file. */
export interface ExternalData {
  /** As the file has it: relative to the file's folder, if it is as it should be. */
  readonly location: string;
  readonly offset: number;
  /** undefined: up to the file's end. */
  readonly length: number | undefined;
}

/** Graphs in graphs: control flow of exporters has a few. */
const DEPTH_MAX = 32;
/** Of all graphs together; large language models have some 10,000. */
const NODES_MAX = 200_000;
const EXTERNAL = 1n;

const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11, sparse: 22, sparses: 23 } as const;

/**
 * @param bytes the file's size
 * @returns yields the ranges that it needs and ends with what lies elsewhere
 * @throws ServingError DATA_LOSS when the file is no ONNX model; INVALID_ARGUMENT when its graphs are too deep or too many nodes
 */
export function* readExternalData(bytes: number): RangeReader<readonly ExternalData[]> {
  const walk = new Walk(bytes);
  yield* walk.model();
  return walk.found;
}

class Walk {
  readonly found: ExternalData[] = [];
  readonly #file: ProtobufFile;
  #nodes = 0;

  constructor(bytes: number) {
    this.#file = new ProtobufFile(bytes);
  }

  *model(): RangeReader<void> {
    for (const part of yield* this.#file.fields({ start: 0, end: this.#file.bytes }, 7, 25)) {
      if (part.number === 7) yield* this.#graph(part, 0);
      else for (const node of yield* this.#file.fields(part, 7)) yield* this.#node(node, 0);
    }
  }

  /** GraphProto: nodes 1, initializers 5, sparse ones 15. */
  *#graph(graph: ProtobufField, depth: number): RangeReader<void> {
    if (depth > DEPTH_MAX) throw tooLarge(`graphs within graphs deeper than ${DEPTH_MAX}`);
    for (const field of yield* this.#file.fields(graph, 1, 5, 15)) {
      if (field.number === 1) yield* this.#node(field, depth);
      else if (field.number === 5) yield* this.#tensor(field);
      else yield* this.#sparse(field);
    }
  }

  /** NodeProto: attributes 5. */
  *#node(node: ProtobufField, depth: number): RangeReader<void> {
    this.#nodes++;
    if (this.#nodes > NODES_MAX) throw tooLarge(`more than ${NODES_MAX} nodes`);
    for (const attribute of yield* this.#file.fields(node, 5)) {
      for (const field of yield* this.#file.fields(attribute, ...Object.values(ATTRIBUTE))) {
        if (field.number === ATTRIBUTE.graph || field.number === ATTRIBUTE.graphs) yield* this.#graph(field, depth + 1);
        else if (field.number === ATTRIBUTE.sparse || field.number === ATTRIBUTE.sparses) yield* this.#sparse(field);
        else yield* this.#tensor(field);
      }
    }
  }

  /** SparseTensorProto: values 1, indices 2. */
  *#sparse(sparse: ProtobufField): RangeReader<void> {
    for (const tensor of yield* this.#file.fields(sparse, 1, 2)) yield* this.#tensor(tensor);
  }

  /** TensorProto: external_data 13 with keys 1 and values 2, data_location 14. */
  *#tensor(tensor: ProtobufField): RangeReader<void> {
    const fields = yield* this.#file.fields(tensor, 13, 14);
    const entries = fields.filter(({ number }) => number === 13);
    if (entries.length === 0 && !fields.some(({ number, value }) => number === 14 && value === EXTERNAL)) return;
    const said = new Map<string, string>();
    for (const entry of entries) {
      const [name, value] = [yield* this.#text(entry, 1), yield* this.#text(entry, 2)];
      if (said.has(name)) throw new ServingError("INVALID_ARGUMENT", `a tensor says its '${name.slice(0, 40)}' twice: export it again`);
      said.set(name, value);
    }
    const length = said.get("length");
    this.found.push({
      location: said.get("location") ?? "",
      offset: Number(said.get("offset") ?? 0),
      length: length === undefined ? undefined : Number(length),
    });
  }

  *#text(message: ProtobufField, number: number): RangeReader<string> {
    const [field] = yield* this.#file.fields(message, number);
    return field === undefined ? "" : yield* this.#file.text(field);
  }
}

function tooLarge(what: string): ServingError {
  return new ServingError("INVALID_ARGUMENT", `the ONNX model has ${what}: export it without them`, { reason: "unsupported_model" });
}
