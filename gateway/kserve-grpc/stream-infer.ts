/**
 * `ModelStreamInfer`: many requests on one stream, to any models. Those for ordinary models are answered in the order in which they
 * came; decoupled models' answers go out as they come. A request that fails is answered in the stream, which goes on. One whose model
 * is still to come holds up those behind it for the same model only.
 */
import { type LinkedSignal, linkedSignal } from "../../core/abort.ts";
import { ServingError } from "../../core/errors.ts";
import { NO_PARAMETERS } from "../../core/messages/parameter-value.ts";
import type { GrpcCall, Message } from "../grpc/method.ts";
import { isBareEnd, modelResponses } from "../kserve/generate/model-responses.ts";
import type { KserveGrpcDeps } from "./deps.ts";
import { type InferCall, inferCall, modelOf } from "./infer-call.ts";
import { Outbox } from "./outbox.ts";
import { decodeInferRequest, type WireInferRequest } from "./request-decoder.ts";
import { encodeStreamFailure, encodeStreamResponse, type InferAnswer } from "./response-encoder.ts";

/** Requests of one stream that run or wait for their models at once; more are read when one of them has ended. */
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
  /** By model: settles when all its requests so far have begun. Of models only for which one waits. */
  readonly #waiting = new Map<string, Promise<unknown>>();
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

  /** Never fails. */
  #run(wire: WireInferRequest, byteLength: number, held: DisposableStack): Promise<void> {
    const begun = this.#begun(wire, byteLength, held);
    if (!(begun instanceof Promise)) {
      this.#answered = begun.answered;
      return begun.ended;
    }
    this.#answered = begun.then(({ answered }) => answered); // it keeps its place among the answers
    return begun.then(({ ended }) => ended);
  }

  /** At once where the model is there and nobody waits for it, so that requests reach a model in the order of the stream. */
  #begun(wire: WireInferRequest, byteLength: number, held: DisposableStack): Begun | Promise<Begun> {
    const before = this.#answered;
    try {
      held.use(this.#call.retain(byteLength));
    } catch (thrown) {
      return this.#ordered(Promise.reject(thrown), { id: wire.id, model: "", version: "" }, before);
    }
    const coming = this.#coming(wire.model);
    if (coming === undefined) return this.#begin(wire, held, before);
    const begun = coming.then(() => this.#begin(wire, held, before));
    this.#waiting.set(wire.model, begun);
    void begun.then(() => {
      if (this.#waiting.get(wire.model) === begun) this.#waiting.delete(wire.model);
    });
    return begun;
  }

  /** Settles, and does not fail, when the model is there or is not to be expected, and all that wait for it have begun. */
  #coming(model: string): Promise<unknown> | undefined {
    const coming = this.#deps.tensors.demand?.ready(model, this.#scope.signal);
    const ahead = this.#waiting.get(model);
    // What cannot be loaded is refused as what is not there.
    return coming === undefined && ahead === undefined ? undefined : Promise.allSettled([coming, ahead]);
  }

  /** @param before settles when all ordinary requests before have been answered */
  #begin(wire: WireInferRequest, held: DisposableStack, before: Promise<void>): Begun {
    let named: Named = { id: wire.id, model: "", version: "" };
    try {
      const model = modelOf(this.#deps, wire);
      named = { id: wire.id, model: model.view.name, version: model.view.version };
      const infer = held.use(inferCall(this.#deps, wire, model, this.#call));
      if (!model.view.decoupled) return this.#ordered(this.#ordinary(infer), named, before);
      return {
        answered: before,
        ended: this.#decoupled(infer, named).catch((thrown: unknown) => this.#failed(infer.failed(thrown), named)),
      };
    } catch (thrown) {
      return this.#ordered(Promise.reject(thrown), named, before);
    }
  }

  async #ordinary(infer: InferCall): Promise<Message> {
    try {
      const response = await this.#deps.tensors.inference.infer(infer.request, this.#scope.signal);
      return encodeStreamResponse(marked(infer.answer(response), true));
    } catch (thrown) {
      throw infer.failed(thrown);
    }
  }

  /** Sends what becomes of a request once all before it have been answered. */
  #ordered(message: Promise<Message>, named: Named, before: Promise<void>): Begun {
    const ready = message.then(
      (encoded) => () => this.outbox.put(encoded),
      (thrown: unknown) => () => this.#failed(thrown, named),
    );
    const answered = before.then(async () => (await ready)());
    return { answered, ended: answered };
  }

  async #decoupled(infer: InferCall, named: Named): Promise<void> {
    let isEnded = false;
    for await (const response of modelResponses(this.#deps, infer.request, infer.model, this.#scope.signal)) {
      if (response.error !== undefined) await this.#failed(response.error, named);
      else if (!isBareEnd(response)) await this.#put(infer.answer(response), response.isFinal === true);
      isEnded = response.isFinal === true && !isBareEnd(response);
      if (this.#scope.signal.aborted) return;
    }
    if (!infer.emptyFinal || isEnded) return;
    const { model, id } = infer.request;
    await this.#put({ model, version: "", id, parameters: NO_PARAMETERS, outputs: [] }, true);
  }

  #put(answer: InferAnswer, isFinal: boolean): Promise<void> {
    return this.outbox.put(encodeStreamResponse(marked(answer, isFinal)));
  }

  #failed(thrown: unknown, named: Named): Promise<void> | undefined {
    const error = ServingError.from(thrown);
    if (!this.#endsOnError) return this.outbox.put(encodeStreamFailure({ message: error.message, ...named }));
    this.outbox.fail(error);
    this.#scope.abort(new ServingError("CANCELLED", "another request of the stream has failed"));
    return undefined;
  }
}

interface Begun {
  /** Settles when this and all ordinary requests before have been answered. */
  readonly answered: Promise<void>;
  /** Settles when nothing of it runs any more. */
  readonly ended: Promise<void>;
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
