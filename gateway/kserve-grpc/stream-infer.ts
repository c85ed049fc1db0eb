/**
 * `ModelStreamInfer`: many requests on one stream, to any models. Those for ordinary models are answered in the order in which they
 * came; decoupled models' answers go out as they come. A request that fails is answered in the stream, which goes on.
 */
import { type LinkedSignal, linkedSignal } from "../../core/abort.ts";
import { ServingError } from "../../core/errors.ts";
import type { GrpcCall, Message } from "../grpc/method.ts";
import { languageResponses } from "../kserve/language-responses.ts";
import type { InferResponse } from "../serving/inference.ts";
import type { KserveGrpcDeps } from "./deps.ts";
import { type InferCall, inferCall, modelOf } from "./infer-call.ts";
import { Outbox } from "./outbox.ts";
import { decodeInferRequest, type WireInferRequest } from "./request-decoder.ts";
import { encodeStreamFailure, encodeStreamResponse, type InferAnswer } from "./response-encoder.ts";

/** Requests of one stream that run at once; more are read when one of them has ended. */
const RUNNING_MAX = 256;
const FINAL = "triton_final_response";

/**
 * @throws ServingError with metadata `triton_grpc_error: true` the first failure, which then ends the stream; in any case what is
 * wrong with the stream itself
 */
export async function* modelStreamInfer(
  deps: KserveGrpcDeps,
  requests: AsyncIterable<Uint8Array>,
  call: GrpcCall,
): AsyncGenerator<Message> {
  using scope = linkedSignal(call.signal);
  const stream = new InferStream(deps, call, scope);
  try {
    void stream.read(requests); // ends by itself when the stream does
    yield* stream.outbox.messages();
  } finally {
    scope.abort(new ServingError("CANCELLED", "the stream has ended"));
    stream.outbox.drop();
    await stream.settled();
  }
}

class InferStream {
  readonly outbox = new Outbox();
  readonly #deps: KserveGrpcDeps;
  readonly #call: GrpcCall;
  readonly #scope: LinkedSignal;
  readonly #endsOnError: boolean;
  readonly #running = new Set<Promise<void>>();
  /** Settles when all ordinary requests so far have been answered. */
  #answered: Promise<void> = Promise.resolve();

  constructor(deps: KserveGrpcDeps, call: GrpcCall, scope: LinkedSignal) {
    this.#deps = deps;
    this.#call = call;
    this.#scope = scope;
    this.#endsOnError = call.header("triton_grpc_error")?.toLowerCase() === "true";
  }

  /** Starts requests as they come; settles, and never fails, when all are answered. */
  async read(requests: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const bytes of requests) {
        const wire = decodeInferRequest(bytes);
        const coming = this.#deps.tensors.demand?.ready(wire.model, this.#scope.signal);
        if (coming !== undefined) await coming.catch(() => {}); // what cannot be loaded is refused as what is not there
        this.#start(wire, bytes.byteLength);
        if (this.#running.size >= RUNNING_MAX) await Promise.race(this.#running);
        if (this.#scope.signal.aborted) break;
      }
      await this.settled();
      this.outbox.close();
    } catch (thrown) {
      this.outbox.fail(thrown);
    }
  }

  /** When nothing runs. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  #start(wire: WireInferRequest, byteLength: number): void {
    const held = new DisposableStack();
    const running = this.#run(wire, byteLength, held).finally(() => {
      this.#running.delete(running);
      held.dispose();
    });
    this.#running.add(running);
  }

  /** Begins at once, so that requests reach their models in the order of the stream. Never fails. */
  #run(wire: WireInferRequest, byteLength: number, held: DisposableStack): Promise<void> {
    let named: Named = { id: wire.id, model: "", version: "" };
    try {
      held.use(this.#call.retain(byteLength));
      const model = modelOf(this.#deps, wire);
      named = { id: wire.id, model: model.view.name, version: model.view.version };
      const infer = held.use(inferCall(this.#deps, wire, model, this.#call));
      if (!model.view.decoupled) return this.#inOrder(this.#ordinary(infer), named);
      return this.#decoupled(infer).catch((thrown: unknown) => this.#failed(thrown, named));
    } catch (thrown) {
      return this.#inOrder(Promise.reject(thrown), named);
    }
  }

  async #ordinary(infer: InferCall): Promise<Message> {
    const response = await this.#deps.tensors.inference.infer(infer.request, this.#scope.signal);
    return encodeStreamResponse(marked(infer.answer(response), true));
  }

  /** Sends what becomes of a request once all before it have been answered. */
  #inOrder(message: Promise<Message>, named: Named): Promise<void> {
    const before = this.#answered;
    const ready = message.then(
      (encoded) => () => this.outbox.put(encoded),
      (thrown: unknown) => () => this.#failed(thrown, named),
    );
    this.#answered = before.then(async () => (await ready)());
    return this.#answered;
  }

  async #decoupled(infer: InferCall): Promise<void> {
    for await (const response of this.#responses(infer)) {
      await this.outbox.put(encodeStreamResponse(marked(infer.answer(response), false)));
      if (this.#scope.signal.aborted) return;
    }
    if (!infer.emptyFinal) return;
    const { model, id } = infer.request;
    await this.outbox.put(encodeStreamResponse(marked({ model, version: "", id, parameters: new Map(), outputs: [] }, true)));
  }

  #responses({ request, model: { kind, view } }: InferCall): AsyncIterable<InferResponse> {
    const { signal } = this.#scope;
    if (kind === "language") return languageResponses(this.#deps, request, view, signal);
    if (this.#deps.decoupled !== undefined) return this.#deps.decoupled.responses(request, signal);
    throw new ServingError("UNIMPLEMENTED", `model '${view.name}' answers with any number of responses: only language models do so here`);
  }

  #failed(thrown: unknown, named: Named): Promise<void> | undefined {
    const error = ServingError.from(thrown);
    if (!this.#endsOnError) return this.outbox.put(encodeStreamFailure({ message: error.message, ...named }));
    this.outbox.fail(error);
    this.#scope.abort(new ServingError("CANCELLED", "another request of the stream has failed"));
    return undefined;
  }
}

interface Named {
  readonly id: string;
  /** Empty: not known. */
  readonly model: string;
  readonly version: string;
}

function marked(answer: InferAnswer, isFinal: boolean): InferAnswer {
  return { ...answer, parameters: new Map([...answer.parameters, [FINAL, isFinal]]) };
}
