/** What a door exports: its routes as data, without a library's types, so that any server can mount them. */
import type { Memory } from "../../core/bytes/lent-memory.ts";
import type { ServingError } from "../../core/errors.ts";
import type { Access } from "../access/access.ts";
import type { KeyBudget } from "../quotas/budgets.ts";
import type { RouteExplanation } from "../routing/route-explanation.ts";
import type { Body } from "./body.ts";

export type HttpMethod = "GET" | "POST" | "PUT" | "DELETE" | "PATCH";

/** A request as a handler sees it. */
export interface HttpRequest {
  readonly query: URLSearchParams;
  /** When its head was here, by the server's clock. */
  readonly arrivedMs: number;
  /** Empty where the route takes no body. */
  readonly body: Body;
  /** What a body may hold, also once it is inflated. */
  readonly bodyBytesMax: number;
  /** From the credential alone, never from what the request says. */
  readonly tenant: string;
  /** Id of the caller's API key; undefined: none was needed. */
  readonly key?: string | undefined;
  /** Of the caller's API key, for what serves the request; undefined: without limits. */
  readonly budget?: KeyBudget | undefined;
  /** Present: the caller wants to know where its request went, and may. */
  readonly explanation?: RouteExplanation | undefined;
  /** Aborts in the tick in which the client is gone, or when the server's grace is over. The reason is a ServingError. */
  readonly signal: AbortSignal;
  /** The server has begun to stop: it finishes what runs and takes nothing new. */
  readonly stopping: boolean;
  /** The part of the path that the route's pattern gives this name, percent-decoded. */
  param(name: string): string;
  /** Whether the client is on this machine, as its address says. */
  readonly fromLoopback: boolean;
  /** By lower-case name; repeated headers come joined by ", ". */
  header(name: string): string | undefined;
  /** All of them, names as the client wrote them. */
  headers(): readonly (readonly [name: string, value: string])[];
  /** From now on it is part of this trace: `header` says so. Empty: of none. */
  belongTo(traceparent: string): void;
}

export interface WholeAnswer {
  readonly kind: "whole";
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** In pieces where joining them would only copy them. */
  readonly body: string | Uint8Array | readonly Uint8Array[];
  /** Of the body, where it is used again: released when that has left. */
  readonly memory?: Memory | undefined;
}

/** Server-sent events. The status line leaves before the first frame; frames are pulled as fast as the client reads. */
export interface EventAnswer {
  readonly kind: "events";
  readonly headers: Readonly<Record<string, string>>;
  /** Complete frames. Whatever goes wrong is a frame too: a stream that throws is cut off. */
  readonly frames: AsyncIterable<string>;
}

export type HttpAnswer = WholeAnswer | EventAnswer;

/** What HTTP itself finds wrong, before a handler runs. */
export type HttpFault =
  | { readonly kind: "not-found" }
  | { readonly kind: "method-not-allowed"; readonly allowed: readonly HttpMethod[] }
  /** `bytes` as announced; undefined when the body came in chunks. */
  | { readonly kind: "body-too-large"; readonly bytes: number | undefined; readonly bytesMax: number }
  | { readonly kind: "refused"; readonly status: 400 | 403 | 408 | 421 | 431 | 503; readonly message: string };

/** How one API says that something went wrong. */
export interface ErrorShape {
  /** It speaks for this path and everything below it; "" is every path that no longer prefix claims. */
  readonly prefix: string;
  failed(error: ServingError): WholeAnswer;
  faulty(fault: HttpFault): WholeAnswer;
}

export interface Route extends Access {
  readonly method: HttpMethod;
  /** `{name}` stands for one path segment. */
  readonly path: string;
  /** `bytes`: as many as the server takes. */
  readonly body: "none" | "bytes";
  readonly errors: ErrorShape;
  /** What it throws is answered in the shape of `errors`. */
  handle(request: HttpRequest): HttpAnswer | Promise<HttpAnswer>;
}
