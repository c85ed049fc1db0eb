/** What a gRPC door exports: its methods as data, without a library's types, so that any server can mount them. */
import type { Lease, Memory } from "../../core/bytes/lent-memory.ts";
import type { Access } from "../access/access.ts";
import type { KeyBudget } from "../quotas/budgets.ts";
import type { RouteExplanation } from "../routing/route-explanation.ts";

/** What a handler knows of a call besides its messages. */
export interface GrpcCall {
  /** From the credential alone, never from what the request says. */
  readonly tenant: string;
  /** Id of the caller's API key; undefined: none was needed. */
  readonly key?: string | undefined;
  /** Of the caller's API key, for what serves the call; undefined: without limits. */
  readonly budget: KeyBudget | undefined;
  /** Present: the caller wants to know where its request went, and may. Told behind the answer of a unary call. */
  readonly explanation?: RouteExplanation | undefined;
  /** Aborts in the tick in which the client resets the stream or its time is up. The reason is a ServingError. */
  readonly signal: AbortSignal;
  /** What the client allows in all, milliseconds; undefined: no limit. */
  readonly deadlineMs: number | undefined;
  /** Whether the client is on this machine, as its address says. */
  readonly fromLoopback: boolean;
  /** Metadata by lower-case name; repeated values come joined by ", ". */
  header(name: string): string | undefined;
  /**
   * Counts bytes of a streamed request that are kept after the next one is pulled, until it is disposed.
   * @throws ServingError RESOURCE_EXHAUSTED when all calls together keep too much
   */
  retain(byteLength: number): Disposable;
  /** Gives away the memory of the answer's bytes: it is released when they have left. */
  lend?(memory: Memory): void;
  /** What a control call is about, such as a model's name, for the audit log. */
  concerns?(subject: string): void;
  /** All metadata; names are lower-case. */
  headers(): readonly (readonly [name: string, value: string])[];
}

/** A message in the pieces in which it was made: joined only where that is cheaper than several writes. */
export type Message = readonly Uint8Array[];

interface MethodName extends Access {
  /** Such as `inference.GRPCInferenceService`. */
  readonly service: string;
  /** Such as `ModelInfer`. */
  readonly method: string;
}

/** One message in, one message out. */
export interface UnaryMethod extends MethodName {
  readonly kind: "unary";
  /** Where it is less than what the server takes in all; undefined: no less. */
  readonly requestBytesMax?: number | undefined;
  /** What it throws becomes the call's status. The request's bytes belong to the handler, and so does their memory, where it is used again. */
  handle(request: Uint8Array, call: GrpcCall, memory?: Lease): Message | Promise<Message>;
}

/** Any number of messages either way; requests are read as they are pulled, answers written as fast as the client reads. */
export interface StreamingMethod extends MethodName {
  readonly kind: "streaming";
  handle(requests: AsyncIterable<Uint8Array>, call: GrpcCall): AsyncIterable<Message>;
}

export type GrpcMethod = UnaryMethod | StreamingMethod;
