/** The way through the project's clients: for TLS and gRPC's streams. Each costs more than the lean ones. */
import type { Client } from "../../client/client.ts";
import type { GrpcClient } from "../../client/grpc/grpc-client.ts";
import type { InferStream } from "../../client/grpc/infer-stream.ts";
import type { InferRequest } from "../../client/infer-request.ts";
import { ServingError } from "../../core/errors.ts";
import type { Call, Channel } from "../channel.ts";

/** One call after the other. */
export function clientChannel(client: Client, requests: readonly InferRequest[]): Channel {
  return {
    send(request, call) {
      client.infer(requestAt(requests, request)).then(
        () => call.ended(undefined),
        (thrown) => call.ended(ServingError.from(thrown).message),
      );
    },
  };
}

/** All requests of a channel on one stream; a decoupled model's answers count as parts. */
export class StreamChannel implements Channel {
  readonly #stream: InferStream;
  readonly #requests: readonly InferRequest[];
  #call: Call | undefined;
  #broken: string | undefined;

  static async open(client: GrpcClient, requests: readonly InferRequest[]): Promise<StreamChannel> {
    const channel = new StreamChannel(await client.openStream(), requests);
    channel.#read().then(
      () => channel.#break("the server ended the stream"),
      (thrown) => channel.#break(ServingError.from(thrown).message),
    );
    return channel;
  }

  private constructor(stream: InferStream, requests: readonly InferRequest[]) {
    this.#stream = stream;
    this.#requests = requests;
  }

  send(request: number, call: Call): void {
    if (this.#broken !== undefined) {
      call.ended(this.#broken);
      return;
    }
    this.#call = call;
    this.#stream.send(requestAt(this.#requests, request)).catch((thrown) => this.#break(ServingError.from(thrown).message));
  }

  async #read(): Promise<void> {
    for await (const item of this.#stream) {
      if (item.kind === "failure") this.#end(item.error.message);
      else {
        if (item.result.outputs.length > 0) this.#call?.part(1);
        if (item.result.isFinal) this.#end(undefined);
      }
    }
  }

  #break(why: string): void {
    this.#broken ??= why;
    this.#end(why);
  }

  #end(failure: string | undefined): void {
    const call = this.#call;
    this.#call = undefined;
    call?.ended(failure);
  }
}

function requestAt(requests: readonly InferRequest[], place: number): InferRequest {
  const request = requests[place % requests.length];
  if (request === undefined) throw new ServingError("INTERNAL", "there is no request to send");
  return request;
}
