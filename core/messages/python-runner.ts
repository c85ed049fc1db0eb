/**
 * Heads of the frames between an agent and the process of a Python model (`node-agent/runners/python`). They are JSON; the bytes of
 * tensors are the payload. Pure.
 *
 * | kind | from the agent, with its number | from the process, with its number |
 * | --- | --- | --- |
 * | open | the question: `PythonOpen` | |
 * | execute | the question: `requests`, and their inputs | |
 * | cancel | of the request: nobody wants its answer | of the call: nobody wants its answers |
 * | room | of the request: so many answers have been taken | |
 * | answer | of the call: `PythonAnswer` | of the request: `PythonAnswer`, and its outputs |
 * | opened, result | | of the question: done |
 * | failed | | of the question: `PythonFailure` |
 * | call | | of the call: `PythonCall`, and its inputs |
 * | log | | 0: `PythonLog` |
 * | metrics | | 0: `CustomChanges`, of the model's own metrics |
 * | control | | of the call: `PythonControl`, and the files of a load |
 */
import { type Static, Type } from "typebox";
import { PieceReader } from "../bytes/piece-reader.ts";
import { type ErrorCode, isErrorCode, ServingError } from "../errors.ts";
import { isDtype } from "../tensor/dtype.ts";
import { dataBytes, partsOf, type Tensor, tensorOf } from "../tensor/tensor.ts";
import type { EncodedTensors } from "../wire/model-wire-batch.ts";
import { decodeJson, encodeJson } from "./json-message.ts";
import type { ModelControlRequest } from "./model-control.ts";
import { NO_PARAMETERS, type ParameterValue, type ParameterValues } from "./parameter-value.ts";

export interface PythonOpen {
  /** Path of model.py. */
  readonly file: string;
  /** As messages name the instance. */
  readonly instance: string;
  /** Only say what the configuration is after `auto_complete_config`. */
  readonly complete: boolean;
  /** What `initialize` gets. */
  readonly args: Readonly<Record<string, string>>;
}

/** Name, datatype, shape, bytes. */
const AnnouncedTensor = Type.Tuple([Type.String(), Type.String(), Type.Array(Type.Integer({ minimum: 0 })), Type.Integer({ minimum: 0 })]);
type AnnouncedTensor = Static<typeof AnnouncedTensor>;

export const PythonFailure = Type.Object({ code: Type.String(), message: Type.String() });
export type PythonFailure = Static<typeof PythonFailure>;

const Parameters = Type.Record(Type.String(), Type.Union([Type.String(), Type.Boolean(), Type.Number()]));

/** One answer to a request, or to a call. */
export const PythonAnswer = Type.Object({
  /** No more come. */
  final: Type.Boolean(),
  /** It only says so. */
  empty: Type.Boolean(),
  outputs: Type.Optional(Type.Array(AnnouncedTensor)),
  parameters: Type.Optional(Parameters),
  error: Type.Optional(PythonFailure),
});
export type PythonAnswer = Static<typeof PythonAnswer>;

/** A call of another model. */
export const PythonCall = Type.Object({
  model: Type.String(),
  /** -1: the highest that is ready. */
  version: Type.Integer(),
  id: Type.String(),
  flags: Type.Integer({ minimum: 0 }),
  /** Microseconds; 0: none. */
  timeout: Type.Integer({ minimum: 0 }),
  /** JSON. */
  parameters: Type.String(),
  /** Empty: all. */
  outputs: Type.Array(Type.String()),
  inputs: Type.Array(AnnouncedTensor),
  /** Its sequence: one of the two. */
  text: Type.Optional(Type.String()),
  number: Type.Optional(Type.String({ pattern: "^[0-9]+$" })),
  /** The request on whose behalf it is; any that is under way unless said. */
  key: Type.Optional(Type.Integer()),
});
export type PythonCall = Static<typeof PythonCall>;

/** What the model wants of another one; of a load's files the names and bytes. */
export const PythonControl = Type.Object({
  ask: Type.Union([Type.Literal("load"), Type.Literal("unload"), Type.Literal("ready")]),
  model: Type.String(),
  version: Type.String(),
  config: Type.String(),
  dependents: Type.Boolean(),
  files: Type.Array(Type.Tuple([Type.String(), Type.Integer({ minimum: 0 })])),
});
type PythonControl = Static<typeof PythonControl>;

export function controlOf(
  { ask, model, version, config, dependents, files }: PythonControl,
  payload: readonly Uint8Array[],
): ModelControlRequest {
  if (ask === "ready") return { ask, model, version };
  if (ask === "unload") return { ask, model, dependents };
  const reader = new PieceReader(payload);
  const content = (bytes: number) => Buffer.concat(reader.take(bytes)).toString("base64");
  return { ask, model, config, files: Object.fromEntries(files.map(([name, bytes]) => [name, content(bytes)])) };
}

export const PythonLog = Type.Object({
  level: Type.Union([Type.Literal("debug"), Type.Literal("info"), Type.Literal("warn"), Type.Literal("error")]),
  message: Type.String(),
});

/** A request as the process gets it. */
export interface PythonRequest {
  readonly key: number;
  readonly id: string;
  /** A text or a number. */
  readonly correlation: string | bigint;
  /** Triton's: 1 start, 2 end of a sequence. */
  readonly flags: number;
  readonly timeoutUs: number;
  readonly parameters: ParameterValues;
  readonly outputs: readonly string[];
  readonly inputs: readonly Tensor[];
}

/** Tensors begin at multiples of this in the payload: what models compute with must be aligned. */
const ALIGNMENT = 16;
const PADDING = new Uint8Array(ALIGNMENT);

export function encodeRequests(requests: readonly PythonRequest[]): EncodedTensors {
  const payload = new Payload();
  const heads = requests.map(({ correlation, parameters, timeoutUs, inputs, ...head }) => ({
    ...head,
    ...correlationOf(correlation),
    timeout: timeoutUs,
    parameters: parametersJson(parameters),
    inputs: inputs.map((input) => payload.add(input)),
  }));
  return payload.behind({ requests: heads });
}

/** An answer to a call. @param answer undefined: there are no more */
export function encodeCallAnswer(
  answer: readonly Tensor[] | ServingError | undefined,
  final: boolean,
  parameters: ParameterValues | undefined,
): EncodedTensors {
  const payload = new Payload();
  if (answer === undefined) return payload.behind({ final, empty: true });
  if (answer instanceof ServingError) {
    const { code, message } = answer;
    return payload.behind({ final, empty: false, error: { code, message } });
  }
  const outputs = answer.map((output) => payload.add(output));
  return payload.behind({ final, empty: false, outputs, parameters: parametersJson(parameters ?? NO_PARAMETERS) });
}

/** Takes announced tensors out of a payload: views of it. @throws ServingError INVALID_ARGUMENT when it is no datatype of ours */
export function readAnnounced(announced: readonly AnnouncedTensor[], payload: readonly Uint8Array[]): readonly Tensor[] {
  const reader = new PieceReader(payload);
  return announced.map(([name, dtype, shape, bytes]) => {
    if (!isDtype(dtype)) throw new ServingError("INVALID_ARGUMENT", `tensor '${name}' of a Python model has unknown datatype '${dtype}'`);
    return tensorOf({ name, dtype, shape }, reader.take(bytes));
  });
}

export const failureOf = ({ code, message }: PythonFailure): ServingError =>
  new ServingError(isErrorCode(code) ? (code satisfies ErrorCode) : "INTERNAL", message);

/** Of a call. @throws ServingError INVALID_ARGUMENT */
export const callParameters = ({ parameters }: PythonCall): Map<string, ParameterValue> =>
  parametersOf(decodeJson(Parameters, new TextEncoder().encode(parameters)));

/** Whole numbers are integers, as in Python. */
export const parametersOf = (parameters: Static<typeof Parameters>): Map<string, ParameterValue> =>
  new Map(Object.entries(parameters).map(([name, value]) => [name, Number.isSafeInteger(value) ? BigInt(value) : value]));

/** As in Triton, those that the client has made up: what the protocol itself means stands in fields of its own. */
const RESERVED: ReadonlySet<string> = new Set(["sequence_id", "sequence_start", "sequence_end", "sequence_step", "priority", "timeout"]);

/** Integers keep all their digits. */
function parametersJson(parameters: ParameterValues): string {
  const own = [...parameters].filter(([name]) => !RESERVED.has(name));
  return `{${own.map(([name, value]) => `${JSON.stringify(name)}:${typeof value === "bigint" ? value : JSON.stringify(value)}`).join(",")}}`;
}

const correlationOf = (id: string | bigint) => (typeof id === "bigint" ? { number: String(id) } : { text: id });

class Payload {
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  add(tensor: Tensor): AnnouncedTensor {
    const bytes = dataBytes(tensor);
    const padding = -bytes & (ALIGNMENT - 1);
    for (const part of partsOf(tensor)) this.#parts.push(part);
    if (padding > 0) this.#parts.push(PADDING.subarray(0, padding));
    this.#bytes += bytes + padding;
    return [tensor.name, tensor.dtype, [...tensor.shape], bytes];
  }

  behind(head: unknown): EncodedTensors {
    return { head: encodeJson(head), parts: this.#parts, payloadBytes: this.#bytes };
  }
}
