/**
 * An agent's end for tests of whole models' serving: real bus, link, codecs and window; it answers inferences, views and statistics
 * as the test says.
 */
import type { Bus } from "../../../../core/bus/bus.ts";
import { ServingError } from "../../../../core/errors.ts";
import { nodeId } from "../../../../core/ids.ts";
import type { Link, LinkNetwork, LinkStream, StreamEnd } from "../../../../core/link/link.ts";
import { SubmitWindow } from "../../../../core/link/submit-window.ts";
import { answerFrames } from "../../../../core/messages/answer-codec.ts";
import { failedAnswer } from "../../../../core/messages/failed-answer.ts";
import type { AnswerFrame, Submit } from "../../../../core/messages/generation.ts";
import type { InferSubmit } from "../../../../core/messages/infer.ts";
import { encodeInferResult } from "../../../../core/messages/infer-codec.ts";
import { encodeJson } from "../../../../core/messages/json-message.ts";
import type { NodeModelStatistics } from "../../../../core/messages/model-statistics.ts";
import { SUBJECTS } from "../../../../core/messages/subjects.ts";
import { decodeSubmit } from "../../../../core/messages/submit-codec.ts";
import { SubmitAssembler } from "../../../../core/messages/submit-frames.ts";
import { textBundleDigest } from "../../../../core/model/text-bundle-codec.ts";

/** `held`: accepted, and answered when the test says so. */
export type InferPolicy = "echo" | "held" | "refuse" | { readonly failed: string; readonly reason?: string };

export interface HeldInference {
  readonly submit: InferSubmit;
  readonly stream: LinkStream;
  /** How the gateway ended the stream. */
  readonly ends: StreamEnd["kind"][];
}

export class TensorAgent {
  readonly node;
  address = "";
  /** What inferences are answered with. */
  policy: InferPolicy = "echo";
  readonly inferences: InferSubmit[] = [];
  readonly held: HeldInference[] = [];
  /** Views that this node publishes, by digest. */
  readonly views = new Map<string, Uint8Array>();
  viewsSent = 0;
  statistics: readonly NodeModelStatistics[] | "silent" = [];
  incarnation = "1";
  readonly #sessions = new Map<string, { readonly link: Link; readonly window: SubmitWindow }>();

  private constructor(node: string) {
    this.node = nodeId(node);
  }

  static async start(node: string, bus: Bus, links: LinkNetwork): Promise<TensorAgent> {
    const agent = new TensorAgent(node);
    const listener = await links.listen((link) => agent.#welcome(link));
    agent.address = listener.address;
    bus.subscribe(SUBJECTS.submit(agent.node), (payload) => agent.#fromBus(decodeSubmit(payload)));
    return agent;
  }

  /** @returns the view's digest */
  publish(view: Uint8Array): string {
    const digest = textBundleDigest(view);
    this.views.set(digest, view);
    return digest;
  }

  /** Answers what is held with its own inputs. */
  release(): void {
    for (const { submit, stream } of this.held.splice(0)) this.#echo(stream, submit);
  }

  #welcome(link: Link): void {
    const window = new SubmitWindow();
    this.#sessions.set(link.session, { link, window });
    link.onStream((number) => {
      const stream = link.open(number, "tokens");
      const assembler = new SubmitAssembler();
      stream.listen({
        frame: (payload) => {
          stream.consumed(1);
          const submit = assembler.push(payload);
          if (submit !== undefined && window.accept(submit.number)) this.#answer(submit, stream);
        },
        ended: () => window.cancel(number),
      });
    });
  }

  #fromBus(submit: Submit): void {
    const session = this.#sessions.get(submit.session);
    if (session?.window.accept(submit.number) === true) this.#answer(submit, session.link.open(submit.number, "tokens"));
  }

  #answer({ body }: Submit, stream: LinkStream): void {
    switch (body.kind) {
      case "infer":
        this.#infer(body, stream);
        return;
      case "statistics":
        if (this.statistics === "silent") return;
        this.#send(stream, [
          { kind: "accepted", queued: 0 },
          { kind: "part", bytes: encodeJson({ incarnation: this.incarnation, models: this.statistics }) },
        ]);
        return;
      case "text-bundle": {
        this.viewsSent += 1;
        const bytes = this.views.get(body.digest);
        if (bytes === undefined) this.#send(stream, [{ kind: "refused", reason: "not-here", message: "no such view" }]);
        else
          this.#send(stream, [
            { kind: "accepted", queued: 0 },
            { kind: "part", bytes },
          ]);
        return;
      }
      case "generate":
      case "attach":
      case "watch":
      case "control":
      case "files":
        throw new Error(`no ${body.kind} here`);
    }
  }

  #infer(submit: InferSubmit, stream: LinkStream): void {
    this.inferences.push(submit);
    if (this.policy === "echo") {
      this.#accept(stream);
      this.#echo(stream, submit);
    } else if (this.policy === "held") {
      const ends: StreamEnd["kind"][] = [];
      this.held.push({ submit, stream, ends });
      stream.listen({ frame: () => stream.consumed(1), ended: ({ kind }) => ends.push(kind) });
      this.#accept(stream);
    } else if (this.policy === "refuse")
      this.#send(stream, [{ kind: "refused", reason: "not-here", message: `not ready on ${this.node}` }]);
    else this.#send(stream, [{ kind: "accepted", queued: 0 }, failedAnswer(new ServingError("INTERNAL", this.policy.failed, this.policy))]);
  }

  #accept(stream: LinkStream): void {
    for (const bytes of answerFrames({ kind: "accepted", queued: 0 })) stream.write(bytes);
  }

  /** Each output is the input at its place. */
  /** With the request's parameters as the answer's. */
  #echo(stream: LinkStream, { inputs, parameters }: InferSubmit): void {
    const outputs = inputs.map((input, place) => ({ ...input, name: `OUTPUT${place}` }));
    const times = { queueUs: 0, computeInputUs: 0, computeInferUs: 0, computeOutputUs: 0 };
    this.#send(stream, [{ kind: "part", bytes: encodeInferResult({ outputs, times, parameters }) }]);
  }

  /** As fast as the reader takes it. */
  #send(stream: LinkStream, answers: readonly AnswerFrame[]): void {
    const frames = answers.flatMap((answer) => [...answerFrames(answer)]);
    const sendOn = () => {
      while (stream.credit > 0 && frames.length > 0) {
        stream.write(frames.shift() ?? new Uint8Array(0));
        if (frames.length === 0) stream.end();
      }
    };
    stream.listen({ frame: () => stream.consumed(1), ended: () => {}, writable: sendOn });
    sendOn();
  }
}
