/** The parameters of a request, each by the kinds that its key takes (kserve-grpc, section 3.3 of Triton's extensions). Pure. */
import { NO_PARAMETERS, type ParameterValue, type ParameterValues } from "../../core/messages/parameter-value.ts";
import { invalid } from "../kserve/triton-error.ts";
import type { WireParameter, WireParameters } from "./request-decoder.ts";

const EMPTY_FINAL = "triton_enable_empty_final_response";
const PRIORITY_MAX = 2n ** 32n - 1n;
const TIMEOUT_MAX = BigInt(Number.MAX_SAFE_INTEGER);

export interface RequestParameters {
  /** What goes on: the client's own, and the sequence's id and flags under their names. */
  readonly values: ParameterValues;
  readonly priority: number;
  readonly timeoutUs: number;
  /** Whether the end of the answers is told by a message of its own where no tensor comes with it. */
  readonly emptyFinal: boolean;
}

const NONE: RequestParameters = { values: NO_PARAMETERS, priority: 0, timeoutUs: 0, emptyFinal: false };

/** @throws ServingError INVALID_ARGUMENT with Triton's text */
export function readParameters(parameters: WireParameters): RequestParameters {
  if (parameters.size === 0) return NONE;
  const values = new Map<string, ParameterValue>();
  let [priority, timeoutUs, emptyFinal] = [0, 0, false];
  for (const [key, parameter] of parameters) {
    switch (key) {
      case "sequence_id":
        if (parameter.kind !== "int64" && parameter.kind !== "string") throw wrongKind(key, "int64_param or string_param");
        values.set(key, parameter.value);
        break;
      case "sequence_start":
      case "sequence_end":
        values.set(key, flag(key, parameter));
        break;
      case "priority":
        priority = priorityOf(parameter);
        break;
      case "timeout":
        if (parameter.kind !== "int64") throw wrongKind(key, "int64_param");
        timeoutUs = Number(clamped(parameter.value, TIMEOUT_MAX));
        break;
      case EMPTY_FINAL:
        emptyFinal = flag(key, parameter);
        break;
      default:
        values.set(key, ownParameter(key, parameter));
    }
  }
  return { values, priority, timeoutUs, emptyFinal };
}

function flag(key: string, parameter: WireParameter): boolean {
  if (parameter.kind === "bool") return parameter.value;
  throw wrongKind(key, "bool_param");
}

function priorityOf(parameter: WireParameter): number {
  if (parameter.kind !== "int64" && parameter.kind !== "uint64") throw wrongKind("priority", "int64_param or uint64_param");
  if (parameter.value < 0n) throw invalid("invalid value for 'priority', expected value >= 0.");
  return Number(clamped(parameter.value, PRIORITY_MAX));
}

function clamped(value: bigint, most: bigint): bigint {
  if (value < 0n) return 0n;
  return value > most ? most : value;
}

/** A parameter that only the model understands. */
function ownParameter(key: string, parameter: WireParameter): ParameterValue {
  if (key.startsWith("triton_")) {
    throw invalid(
      "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with 'triton_' are " +
        `allowed: ${EMPTY_FINAL}`,
    );
  }
  if (parameter.kind === "uint64" || parameter.kind === "none") throw wrongKind(key, "int64_param, bool_param, or string_param");
  return parameter.value;
}

function wrongKind(key: string, kinds: string) {
  return invalid(`invalid value type for '${key.slice(0, 100)}' parameter, expected ${kinds}.`);
}
