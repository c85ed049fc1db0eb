/** What a load goes to, whichever way. */
import type { TensorFormats } from "../../client/http/infer-body.ts";
import type { InferRequest } from "../../client/infer-request.ts";

export interface TargetOptions {
  readonly url: URL;
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sent in turn. */
  readonly requests: readonly InferRequest[];
  /** HTTP in clear. */
  readonly formats?: TensorFormats | undefined;
  /** gRPC through the client. */
  readonly compression?: "gzip" | "deflate" | undefined;
}
