/** A request as a step of a sequence: what its parameters say, and what its gateway adds for the node that owns the sequence. Pure. */
import type { ParameterValue } from "./parameter-value.ts";

/** What Triton's sequence extension says of a request, and our own number of the step. */
export interface SequenceFlags {
  /** undefined: none, 0 or empty. */
  readonly id: string | bigint | undefined;
  readonly start: boolean;
  readonly end: boolean;
  /** Which step of its sequence the client means this to be, counted from 1 at the start; undefined: the next one. */
  readonly step: number | undefined;
}

export interface SequencePassage {
  /** The same when the request is sent again, by its gateway or by its client: it is applied once, and answered with the same bytes. */
  readonly token: string;
  /** The owner that the gateway cannot see any more: the sequence is to be taken over from it. Empty: from nobody. */
  readonly from: string;
  /** The token of the sequence's start, empty when another gateway saw that, and the steps that are known to have been answered. */
  readonly start: string;
  readonly answered: number;
}

export function sequenceFlags(parameters: ReadonlyMap<string, ParameterValue>): SequenceFlags {
  const id = parameters.get("sequence_id");
  const step = parameters.get("sequence_step");
  return {
    id: (typeof id === "bigint" && id !== 0n) || (typeof id === "string" && id !== "") ? id : undefined,
    start: parameters.get("sequence_start") === true,
    end: parameters.get("sequence_end") === true,
    step: typeof step === "bigint" || typeof step === "number" ? Number(step) : undefined,
  };
}

/** As Triton tells backends of them: the id, 0 where there is none, and 1 for the start, 2 for the end. */
export function backendFlags(parameters: ReadonlyMap<string, ParameterValue>): {
  readonly correlation: string | bigint;
  readonly flags: number;
} {
  const { id: correlation = 0n, start, end } = sequenceFlags(parameters);
  return { correlation, flags: (start ? 1 : 0) | (end ? 2 : 0) };
}

/** Texts and integers are ids of different sequences: the kind as one character, then the id. */
export const sequenceKey = (id: string | bigint): string => (typeof id === "bigint" ? `i${BigInt.asUintN(64, id)}` : `s${id}`);

/** Who owns sequences: one loaded copy of a model on one run of a node's agent. */
export const sequenceOwner = (copy: { readonly replica: string; readonly node: string; readonly incarnation: string }): string =>
  `${copy.replica} on ${copy.node} ${copy.incarnation}`;
