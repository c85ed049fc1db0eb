/** Takes a request's calls of models that are not on this node up the link that it came by, each on a stream of its own. */
import { joinedBytes } from "../../core/bytes/joined-bytes.ts";
import { ServingError } from "../../core/errors.ts";
import { CALL_NUMBERS_FROM, type Link, type LinkStream, type StreamEnd } from "../../core/link/link.ts";
import { decodeAnswer } from "../../core/messages/generation-codec.ts";
import type { CalledInfer } from "../../core/messages/infer.ts";
import { decodeInferResult, encodeCalledInfer } from "../../core/messages/infer-codec.ts";
import type { InferHandle, InferSink } from "../../core/messages/infer-sink.ts";
import { SUBMIT_BYTES_MAX, submitFrames } from "../../core/messages/submit-codec.ts";
import type { Upcalls } from "./model-calls.ts";

/** Begins the streams of calls on one link. */
export class CallLine {
  readonly #link: Link;
  #next = CALL_NUMBERS_FROM;

  constructor(link: Link) {
    this.#link = link;
  }

  /** The calls of the request on stream `caller`. */
  of(caller: number): Upcalls {
    return new LinkUpcalls(this, caller);
  }

  begin(): LinkStream {
    return this.#link.open(this.#next++, "tensor");
  }
}

class LinkUpcalls implements Upcalls {
  readonly #line: CallLine;
  readonly #caller: number;

  constructor(line: CallLine, caller: number) {
    this.#line = line;
    this.#caller = caller;
  }

  call(call: Omit<CalledInfer, "caller">, sink: InferSink): InferHandle {
    const frames = submitFrames(encodeCalledInfer({ ...call, caller: this.#caller }));
    return new LinkCall(this.#line.begin(), frames, { model: call.model, sink });
  }
}

class LinkCall implements InferHandle {
  readonly #stream: LinkStream;
  readonly #model: string;
  readonly #sink: InferSink;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  #over = false;

  constructor(stream: LinkStream, frames: readonly Uint8Array[], { model, sink }: { readonly model: string; readonly sink: InferSink }) {
    this.#stream = stream;
    this.#model = model;
    this.#sink = sink;
    let sent = 0;
    const sendOn = () => {
      for (; stream.credit > 0 && sent < frames.length; sent++) stream.write(frames[sent] ?? new Uint8Array(0));
      if (sent === frames.length) stream.end();
    };
    // On a later turn: a link that is gone tells its listener so at once, and no answer comes before the call has returned.
    queueMicrotask(() => {
      stream.listen({ frame: (payload) => this.#heard(payload), ended: (end) => this.#ended(end), writable: sendOn });
      sendOn();
    });
  }

  cancel(): void {
    this.#over = true;
    this.#stream.reset("canceled");
  }

  #heard(payload: Uint8Array): void {
    if (this.#over) return;
    this.#stream.consumed(1);
    try {
      const frame = decodeAnswer(payload);
      if (frame.kind === "failed") this.#fail(new ServingError(frame.code, frame.message));
      else if (frame.kind === "part") this.#take(frame.bytes);
      else this.#fail(new ServingError("INTERNAL", `a gateway answered a call with ${frame.kind}`));
    } catch (thrown) {
      this.#fail(ServingError.from(thrown));
    }
  }

  #take(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#bytes += bytes.byteLength;
    if (this.#bytes > SUBMIT_BYTES_MAX) {
      this.#fail(
        new ServingError("RESOURCE_EXHAUSTED", `the answer of model '${this.#model}' is over the limit of ${SUBMIT_BYTES_MAX} bytes`),
      );
    }
  }

  #ended(end: StreamEnd): void {
    if (this.#over) return;
    if (end.kind !== "end") {
      this.#fail(new ServingError("UNAVAILABLE", `model '${this.#model}' was called, but the way to its answer is gone: try again`));
      return;
    }
    try {
      const { outputs, times } = decodeInferResult(joinedBytes(this.#parts, this.#bytes));
      this.#over = true;
      this.#sink.answered(outputs, times);
    } catch (thrown) {
      this.#fail(ServingError.from(thrown));
    }
  }

  #fail(error: ServingError): void {
    if (this.#over) return;
    this.cancel();
    this.#sink.failed(error);
  }
}
