/** Takes a request's calls of models that are not on this node up the link that it came by, each on a stream of its own. */
import { ServingError } from "../../core/errors.ts";
import { CALL_NUMBERS_FROM, type Link, type LinkStream, type StreamEnd } from "../../core/link/link.ts";
import { decodeAnswer } from "../../core/messages/answer-codec.ts";
import type { Upcalls } from "../../core/messages/calling-request.ts";
import type { CalledInfer, InferResult } from "../../core/messages/infer.ts";
import { decodeInferResult, encodeCalledInfer } from "../../core/messages/infer-codec.ts";
import type { InferHandle, InferSink } from "../../core/messages/infer-sink.ts";
import { type AssembledResponse, ResponseAssembler } from "../../core/messages/response-frames.ts";
import { submitFrames } from "../../core/messages/submit-frames.ts";
import { answersOften } from "../engines/answers-often.ts";

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
  readonly #assembler = new ResponseAssembler();
  /** Answers that came while the sink had no room, within the stream's credit, and the end. */
  readonly #held: (Uint8Array | StreamEnd)[] = [];
  #isFull = false;
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

  /** There is room again for answers. */
  resume(): void {
    this.#isFull = false;
    while (!this.#isFull) {
      const next = this.#held.shift();
      if (next === undefined) return;
      if (next instanceof Uint8Array) this.#heard(next);
      else this.#ended(next);
    }
  }

  #heard(payload: Uint8Array): void {
    if (this.#over) return;
    if (this.#isFull) {
      this.#held.push(payload);
      return;
    }
    this.#stream.consumed(1);
    try {
      const response = this.#assembler.push(decodeAnswer(payload));
      if (response !== undefined) this.#answered(response);
    } catch (thrown) {
      this.#fail(ServingError.from(thrown));
    }
  }

  #answered(response: AssembledResponse): void {
    if (response.kind === "final") {
      this.#finish(response.result);
    } else if (this.#sink.respond === undefined) {
      this.#fail(answersOften(this.#model));
    } else {
      this.#isFull =
        response.kind === "failed"
          ? !this.#sink.respond(response.error)
          : !this.#sink.respond(response.result.outputs, response.result.parameters);
    }
  }

  #ended(end: StreamEnd): void {
    if (this.#over) return;
    if (this.#isFull) {
      this.#held.push(end);
      return;
    }
    if (end.kind !== "end") {
      this.#fail(new ServingError("UNAVAILABLE", `model '${this.#model}' was called, but the way to its answer is gone: try again`));
      return;
    }
    try {
      this.#finish(decodeInferResult(this.#assembler.whole()));
    } catch (thrown) {
      this.#fail(ServingError.from(thrown));
    }
  }

  #finish({ outputs, times, parameters }: InferResult): void {
    this.#over = true;
    this.#sink.answered(outputs, times, parameters);
  }

  #fail(error: ServingError): void {
    if (this.#over) return;
    this.cancel();
    this.#sink.failed(error);
  }
}
