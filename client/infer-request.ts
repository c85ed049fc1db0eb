/** An inference as a caller asks for it, and the request parameters that stand for its parts. Pure. */
import type { ParameterValue } from "../core/messages/parameter-value.ts";
import { unsendable } from "./client-error.ts";
import type { InferInput, SharedRange } from "./tensor-input.ts";

/** How an output is wanted. */
export interface RequestedOutput {
  readonly name: string;
  /** Instead of the tensor its so many largest values, as `value:index:label` strings. */
  readonly classes?: number;
  /** The server writes it there, and not into the answer. */
  readonly shared?: SharedRange;
}

/** Requests of one sequence go to one instance of the model, in order. */
export interface SequenceStep {
  /** Not 0, not empty. */
  readonly id: number | bigint | string;
  readonly start?: boolean;
  readonly end?: boolean;
}

export interface InferRequest {
  readonly model: string;
  /** The server's choice unless said: by default the highest that is ready. */
  readonly version?: string;
  /** Comes back with the answer. */
  readonly id?: string;
  readonly inputs: readonly InferInput[];
  /** All unless said. */
  readonly outputs?: readonly (string | RequestedOutput)[];
  /** For the model. Whole numbers go as integers, others as doubles. */
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
  readonly sequence?: SequenceStep;
  /** 1 is the highest; 0 the model's own choice. */
  readonly priority?: number;
  /** How long it may wait for its turn, microseconds. */
  readonly queueTimeoutUs?: number;
}

/** Parameters that the protocols give a meaning of their own, and the field that sets each. */
const RESERVED: Readonly<Record<string, string>> = {
  sequence_id: "sequence.id",
  sequence_start: "sequence.start",
  sequence_end: "sequence.end",
  priority: "priority",
  timeout: "queueTimeoutUs",
  binary_data_output: "nothing: answers are binary wherever they can be",
};

/** All parameters of the request by their names in the protocols. @throws ClientError INVALID_ARGUMENT for names that fields have */
export function requestParameters(request: InferRequest): Map<string, ParameterValue> {
  const parameters = new Map<string, ParameterValue>();
  for (const [name, value] of Object.entries(request.parameters ?? {})) {
    const field = RESERVED[name];
    if (field !== undefined) throw unsendable(`parameter '${name}' cannot be given as such: set ${field}`);
    if (typeof value === "number" && !Number.isFinite(value)) throw unsendable(`parameter '${name}' is ${value}: give a finite number`);
    parameters.set(name, value);
  }
  const { sequence, priority, queueTimeoutUs } = request;
  if (sequence !== undefined) {
    parameters.set("sequence_id", sequence.id);
    parameters.set("sequence_start", sequence.start ?? false);
    parameters.set("sequence_end", sequence.end ?? false);
  }
  if (priority !== undefined) parameters.set("priority", priority);
  if (queueTimeoutUs !== undefined) parameters.set("timeout", queueTimeoutUs);
  return parameters;
}

export function requestedOutput(output: string | RequestedOutput): RequestedOutput {
  return typeof output === "string" ? { name: output } : output;
}
