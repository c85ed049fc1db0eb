/** Takes in what gateways submit, over the bus or over their link, each exactly once, and starts its answer. */

import type { Clock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { Link, LinkStream } from "../core/link/link.ts";
import { sendWhole } from "../core/link/send-whole.ts";
import { SubmitWindow } from "../core/link/submit-window.ts";
import { encodeAnswer } from "../core/messages/answer-codec.ts";
import type { Upcalls } from "../core/messages/calling-request.ts";
import { failedAnswer } from "../core/messages/failed-answer.ts";
import {
  type AttachRequest,
  type GenerationSubmit,
  openChoices,
  type RefusalReason,
  type Submit,
  type TextBundleRequest,
} from "../core/messages/generation.ts";
import type { InferSubmit } from "../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../core/messages/infer-sink.ts";
import { encodeJson } from "../core/messages/json-message.ts";
import type { NodeStatistics } from "../core/messages/model-statistics.ts";
import { decodeSubmit } from "../core/messages/submit-codec.ts";
import { SubmitAssembler } from "../core/messages/submit-frames.ts";
import type { NearAgent } from "../core/near-agents.ts";
import type { Random } from "../core/random.ts";
import { answerFiles } from "../core/repository/answer-files.ts";
import type { ModelSources } from "../core/repository/model-sources.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import { NO_TRACER, type Tracer } from "../core/telemetry/tracing.ts";
import { AnswerWriter } from "./answer-writer.ts";
import type { Gateways } from "./calls/gateways.ts";
import { CallLine } from "./calls/link-upcalls.ts";
import type { GenerationHandle, GenerationSink } from "./engines/generation-sink.ts";
import { createTiming } from "./generation/generation-timing.ts";
import { GenerationJournal, type JournalOptions } from "./generation-journal.ts";
import { answerInference } from "./infer-answer.ts";
import { KEEP_LIMITS, type KeepLimits, KeptGenerations } from "./kept-generations.ts";
import type { Models } from "./models/models.ts";
import type { ReplicaLead } from "./models/replica-lead.ts";
import type { WholeModels } from "./models/whole-models.ts";
import { TracedGeneration } from "./tracing/traced-generation.ts";
import type { Watchers } from "./watchers.ts";

interface Session {
  readonly link: Link;
  readonly window: SubmitWindow;
  /** Where its requests call models on other nodes. */
  readonly calls: CallLine;
}

export interface SubmitDeskDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tracer?: Tracer | undefined;
  /** Of the node, or of one of its models; empty: of all. */
  readonly statistics: (model: string) => NodeStatistics;
  readonly watchers: Watchers;
  /** The node says soon how things stand. */
  readonly beat: () => void;
  /** A control message came over a link. */
  readonly obey: (control: Uint8Array) => void;
  /** For resumable generations; the defaults unless said. */
  readonly keep?: KeepLimits | undefined;
  /** Of resumable generations; undefined: none is written. */
  readonly journal?: JournalOptions | undefined;
  /** What the node has of the models that others ask for. */
  readonly sources: Pick<ModelSources, "own">;
  /** Where the node asks for those that it has not; undefined: nowhere. */
  readonly gateways: Gateways;
}

export class SubmitDesk implements Disposable, NearAgent {
  readonly #models: Models;
  readonly #wholeModels: WholeModels;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tracer: Tracer;
  readonly #statistics: SubmitDeskDeps["statistics"];
  readonly #node: Pick<SubmitDeskDeps, "watchers" | "beat" | "obey" | "sources" | "gateways">;
  readonly #sessions = new Map<string, Session>();
  readonly #kept: KeptGenerations;
  /** Of models that do not say. */
  readonly #journals: boolean;
  #refuses = false;

  constructor(models: Models, wholeModels: WholeModels, deps: SubmitDeskDeps) {
    this.#models = models;
    this.#wholeModels = wholeModels;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#tracer = deps.tracer ?? NO_TRACER;
    this.#statistics = deps.statistics;
    this.#node = deps;
    const journal = deps.journal && new GenerationJournal({ ...deps, ...deps.journal });
    this.#kept = new KeptGenerations(deps.keep ?? KEEP_LIMITS, deps.clock, journal);
    this.#journals = deps.journal?.byDefault ?? false;
  }

  /** A gateway has dialed. */
  welcome(link: Link): void {
    const session = { link, window: new SubmitWindow(), calls: new CallLine(link) };
    this.#sessions.set(link.session, session);
    this.#node.gateways.join(session.calls, link.closed);
    link.onStream((number) => this.#submittedOverLink(session, number));
    link.closed.then(() => this.#sessions.delete(link.session)).catch(() => {});
  }

  /** Whether any gateway has a link. */
  get connected(): boolean {
    return this.#sessions.size > 0;
  }

  /** Whether anything is being answered, heartbeats aside, or generated for a client that may come back. */
  get busy(): boolean {
    if (this.#wholeModels.busy) return true; // also with what came from a gateway in this process
    let streams = this.#kept.detached;
    for (const { link } of this.#sessions.values()) streams += link.streams;
    return streams > this.#node.watchers.count;
  }

  /** Requests are refused from now on: other nodes may take them. */
  refuseNew(): void {
    this.#refuses = true;
  }

  /** From a gateway in this process. */
  infer(submit: InferSubmit, sink: InferSink): InferHandle | undefined {
    return this.#refuses ? undefined : this.#wholeModels.get(submit.replica)?.engine?.infer(submit, sink);
  }

  /** A submit came over the bus. One of a session that is gone, or not here yet, is dropped: its gateway sends it over the link. */
  submitted(payload: Uint8Array): void {
    let submit: Submit;
    try {
      submit = decodeSubmit(payload);
    } catch (thrown) {
      this.#logger.warn({ err: ServingError.from(thrown) }, "a submit that does not fit was dropped");
      return;
    }
    const session = this.#sessions.get(submit.session);
    if (session?.window.accept(submit.number) === true) this.#start(session.link.open(submit.number, "tokens"), submit, session);
  }

  #submittedOverLink(session: Session, number: number): void {
    const stream = session.link.open(number, "tokens");
    const assembler = new SubmitAssembler();
    stream.listen({
      frame: (payload) => {
        stream.consumed(1);
        try {
          const submit = assembler.push(payload);
          if (submit !== undefined && session.window.accept(number)) this.#start(stream, submit, session);
        } catch (thrown) {
          this.#fail(stream, ServingError.from(thrown));
        }
      },
      ended: () => session.window.accept(number),
    });
  }

  #start(stream: LinkStream, submit: Submit, session: Session): void {
    if (this.#refuses && (submit.body.kind === "generate" || submit.body.kind === "infer")) {
      this.#refuse(stream, "draining", "the node is being shut down");
      return;
    }
    switch (submit.body.kind) {
      case "generate":
        this.#generate(stream, submit.body);
        return;
      case "attach":
        this.#attach(stream, submit.body);
        return;
      case "text-bundle":
        this.#sendTextBundle(stream, submit.body);
        return;
      case "infer":
        this.#infer(stream, submit.body, session.calls.of(submit.number));
        return;
      case "statistics":
        this.#sendStatistics(stream, submit.body.model);
        return;
      case "watch":
        this.#node.watchers.add(stream);
        this.#node.beat();
        return;
      case "control":
        this.#node.obey(submit.body.control);
        stream.write(encodeAnswer({ kind: "accepted", queued: 0 }));
        stream.end();
        return;
      case "files":
        stream.write(encodeAnswer({ kind: "accepted", queued: 0 }));
        answerFiles(submit.body.request, this.#node.sources.own)
          .then((answer) => sendWhole(stream, answer))
          .catch((thrown: unknown) => this.#fail(stream, ServingError.from(thrown)));
        return;
    }
  }

  #generate(stream: LinkStream, request: GenerationSubmit): void {
    const lead = this.#models.lead(request.replica);
    if (lead?.ready !== true) {
      this.#refuse(stream, lead === undefined ? "not-here" : "not-ready", `replica ${request.replica} is not led here, or not ready`);
      return;
    }
    try {
      if (request.resumable === undefined) this.#generateOnce(stream, request, lead);
      else this.#generateKept(stream, request, lead);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      if (error.code === "RESOURCE_EXHAUSTED") this.#refuse(stream, "full", error.message);
      else this.#fail(stream, error);
    }
  }

  /** Its stream's end cancels it. */
  #generateOnce(stream: LinkStream, request: GenerationSubmit, lead: ReplicaLead): void {
    const writer = new AnswerWriter(stream, { clock: this.#clock, choices: openChoices(request), movable: request.movable });
    const handle = this.#run(request, writer, lead);
    writer.started(handle, lead.engine.load().queued);
  }

  #generateKept(stream: LinkStream, request: GenerationSubmit, lead: ReplicaLead): void {
    const kept = this.#kept.keep(request, { journaled: lead.journals ?? this.#journals });
    try {
      kept.started(this.#run(request, kept, lead), stream, lead.engine.load().queued);
    } catch (thrown) {
      this.#kept.forget(request.generation);
      throw thrown;
    }
  }

  /** @throws ServingError as the engine's `submit` */
  #run(request: GenerationSubmit, sink: GenerationSink, { engine, model, counted }: ReplicaLead): GenerationHandle {
    if (request.traceparent === "") return counted.submit(engine, request, sink, createTiming());
    const traced = new TracedGeneration(model, request, sink, { tracer: this.#tracer, clock: this.#clock });
    return traced.handle(counted.submit(engine, request, traced, traced.timing));
  }

  #attach(stream: LinkStream, { generation, tenant, from }: AttachRequest): void {
    const kept = this.#kept.find(generation, tenant);
    if (kept === undefined) this.#refuse(stream, "not-here", `generation ${generation} is not kept here`);
    else kept.attach(stream, from);
  }

  #infer(stream: LinkStream, request: InferSubmit, upcalls: Upcalls): void {
    const hosted = this.#wholeModels.get(request.replica);
    const engine = hosted?.engine;
    if (engine === undefined) {
      this.#refuse(stream, "not-here", `replica ${request.replica} is not ready here`);
      return;
    }
    try {
      answerInference(stream, request, { engine, upcalls, decoupled: hosted?.published?.decoupled === true });
    } catch (thrown) {
      this.#fail(stream, ServingError.from(thrown));
    }
  }

  #sendStatistics(stream: LinkStream, model: string): void {
    stream.write(encodeAnswer({ kind: "accepted", queued: 0 }));
    sendWhole(stream, encodeJson(this.#statistics(model)));
  }

  #sendTextBundle(stream: LinkStream, request: TextBundleRequest): void {
    const bytes = this.#models.textBundle(request.digest) ?? this.#wholeModels.view(request.digest);
    if (bytes === undefined) {
      this.#refuse(stream, "not-here", `nothing with the digest ${request.digest} is published here`);
      return;
    }
    stream.write(encodeAnswer({ kind: "accepted", queued: 0 }));
    sendWhole(stream, bytes);
  }

  [Symbol.dispose](): void {
    this.#kept[Symbol.dispose]();
  }

  #refuse(stream: LinkStream, reason: RefusalReason, message: string): void {
    stream.write(encodeAnswer({ kind: "refused", reason, message }));
    stream.end();
  }

  #fail(stream: LinkStream, error: ServingError): void {
    stream.write(encodeAnswer(failedAnswer(error)));
    stream.end();
  }
}
