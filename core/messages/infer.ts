/**
 * An inference on its way: the submit that a gateway sends to the agent that hosts an instance of the model, and the result that
 * comes back. Checked against the model's signature by the gateway already. The codec is in `infer-codec.ts`. Pure.
 */
import type { Memory } from "../bytes/lent-memory.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ParameterValue, ParameterValues } from "./parameter-value.ts";
import type { SequencePassage } from "./sequence-step.ts";

export interface InferSubmit {
  readonly kind: "infer";
  /** The hosted version: `model/version/number`. */
  readonly replica: string;
  readonly tenant: string;
  /** The client's id; may be empty. */
  readonly id: string;
  /** Milliseconds left until the client gives up; undefined: no deadline. */
  readonly remainingMs: number | undefined;
  readonly traceparent: string;
  /** 0: the model's default level. */
  readonly priority: number;
  /** Longest time in the queue, microseconds; 0: none asked for. */
  readonly queueTimeoutUs: number;
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  /** In the order of the model's signature; optional ones may be missing. */
  readonly inputs: readonly Tensor[];
  /** Names of wanted outputs; empty: all of them. */
  readonly outputs: readonly string[];
  /** How many calls it is inside of, an ensemble's step in an ensemble: 2; a client's own request in none, unless said. */
  readonly depth?: number;
  /** Of steps of sequences, which their parameters name. */
  readonly sequence?: SequencePassage;
  /** Of the inputs: whoever has made the one answer of them, and knows that nobody else reads them, releases it; all others leave it alone. */
  readonly memory?: Memory | undefined;
}

/** Calls inside calls end here: a loop that the checks at load could not see. */
export const CALL_DEPTH_MAX = 16;

/**
 * A call that a running request makes of a model that its node does not host: sent up the link, answered as any inference. Tenant,
 * deadline and trace are those of the request that calls.
 */
export interface CalledInfer extends Pick<InferSubmit, "id" | "priority" | "queueTimeoutUs" | "parameters" | "inputs" | "outputs"> {
  /** The number of the stream of the request that calls. */
  readonly caller: number;
  readonly model: string;
  /** undefined: the highest that is ready. */
  readonly version: number | undefined;
  readonly depth: number;
}

/** Microseconds since the agent took the request in, and what the batch did: for statistics at the door and traces. */
export interface InferTimes {
  readonly queueUs: number;
  readonly computeInputUs: number;
  readonly computeInferUs: number;
  readonly computeOutputUs: number;
}

/** What comes back: the answer's parts together are these bytes (`infer-codec.ts`). */
export interface InferResult {
  readonly outputs: readonly Tensor[];
  readonly times: InferTimes;
  /** Of the answer, as the model's backend gave them; none unless said. */
  readonly parameters?: ParameterValues | undefined;
  /** Of the outputs, where it is used again. */
  readonly memory?: Memory | undefined;
}

/** Asks an agent for the statistics of the model versions that it hosts; answered as JSON. */
export interface StatisticsRequest {
  readonly kind: "statistics";
  /** Empty: of all models. */
  readonly model: string;
}
