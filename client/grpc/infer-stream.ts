/** A `ModelStreamInfer` call: many requests to any models on one stream, and their answers as they come. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { LinkedSignal } from "../../core/abort.ts";
import { GRPCInferenceService, type ModelInferRequestSchema, type ModelStreamInferResponse } from "../../protos/gen/grpc_service_pb.ts";
import type { CallOptions } from "../client.ts";
import { ClientError } from "../client-error.ts";
import type { InferRequest } from "../infer-request.ts";
import type { InferResult } from "../infer-result.ts";
import type { Channel, Duplex } from "./channel.ts";
import { inferMessage, inferResult } from "./infer-messages.ts";

type Call = Duplex<MessageInitShape<typeof ModelInferRequestSchema>, ModelStreamInferResponse>;

/** An answer to one of the stream's requests. A failure ends its request, not the stream. */
export type InferStreamItem =
  | { readonly kind: "result"; readonly result: InferResult }
  | { readonly kind: "failure"; readonly id: string; readonly error: ClientError };

const ROOM_EVENTS = ["drain", "close", "error", "status"];
const NONE: ReadonlySet<string> = new Set();

/**
 * Requests go out in the order of `send`. Iterating gives the answers; each request's last one says `isFinal`, for decoupled models
 * an empty one. Held with `await using`: disposing cancels what is left.
 */
export class InferStream implements AsyncDisposable, AsyncIterable<InferStreamItem> {
  readonly #channel: Channel;
  readonly #options: CallOptions;
  readonly #call: Call;
  readonly #limit: LinkedSignal;
  #ended = false;
  #room: Promise<void> | undefined;

  private constructor(channel: Channel, options: CallOptions, call: Call, limit: LinkedSignal) {
    this.#channel = channel;
    this.#options = options;
    this.#call = call;
    this.#limit = limit;
  }

  /** `GrpcClient.openStream` calls it. */
  static async open(channel: Channel, options: CallOptions = {}): Promise<InferStream> {
    const { call, limit } = await channel.duplex(GRPCInferenceService.method.modelStreamInfer, options);
    return new InferStream(channel, options, call, limit);
  }

  /**
   * Resolves when the stream takes more. Ids tell answers apart.
   * @throws ClientError FAILED_PRECONDITION after `end`, or when the stream is over
   */
  async send(request: InferRequest): Promise<void> {
    await this.#write(inferMessage(request, { emptyFinal: true }));
  }

  /** Like `send`, without the empty last answer of decoupled models. */
  async sendLast(request: InferRequest): Promise<void> {
    await this.#write(inferMessage(request, { emptyFinal: false }));
    this.end();
  }

  /** No more requests; what was sent is still answered. */
  end(): void {
    this.#ended = true;
    this.#call.end();
  }

  /** To be iterated once. @throws ClientError what ends the stream itself */
  async *[Symbol.asyncIterator](): AsyncGenerator<InferStreamItem> {
    try {
      for await (const message of this.#call) yield streamItem(message);
    } catch (thrown) {
      throw this.#channel.failure(thrown, this.#limit.signal, this.#options);
    } finally {
      this.#cancel();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#cancel();
    return Promise.resolve();
  }

  async #write(message: MessageInitShape<typeof ModelInferRequestSchema>): Promise<void> {
    if (this.#ended || this.#call.destroyed || this.#call.writableEnded) {
      throw new ClientError("FAILED_PRECONDITION", "the stream takes no more requests: open another one");
    }
    if (this.#call.write(message)) return;
    this.#room ??= this.#untilRoom();
    await this.#room;
  }

  /** One wait for all that send meanwhile. Ends also when the call does. */
  #untilRoom(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        for (const event of ROOM_EVENTS) this.#call.off(event, done);
        this.#room = undefined;
        resolve();
      };
      for (const event of ROOM_EVENTS) this.#call.on(event, done);
    });
  }

  #cancel(): void {
    this.#ended = true;
    this.#limit.abort(undefined);
    this.#limit[Symbol.dispose]();
  }
}

function streamItem(message: unknown): InferStreamItem {
  const { errorMessage, inferResponse } = message as ModelStreamInferResponse;
  if (errorMessage !== "") return { kind: "failure", id: inferResponse?.id ?? "", error: new ClientError("UNKNOWN", errorMessage) };
  if (inferResponse === undefined) throw new ClientError("INTERNAL", "the stream has a message without an answer");
  return { kind: "result", result: inferResult(inferResponse, NONE) };
}
