/**
 * An agent's end for tests of the serving core: real bus, link, codec and window, and a model whose next id is a hash of what
 * came before. It generates when told to, so that a test decides what happens between two tokens.
 */
import type { Bus } from "../../../../core/bus/bus.ts";
import { nodeId } from "../../../../core/ids.ts";
import type { Link, LinkNetwork, LinkStream, StreamEnd } from "../../../../core/link/link.ts";
import { SubmitWindow } from "../../../../core/link/submit-window.ts";
import { answerFrames, encodeAnswer } from "../../../../core/messages/answer-codec.ts";
import type { AnswerFrame, ChoiceToken, GenerationSubmit, RefusalReason, Submit } from "../../../../core/messages/generation.ts";
import { SUBJECTS } from "../../../../core/messages/subjects.ts";
import { decodeSubmit } from "../../../../core/messages/submit-codec.ts";
import { decodeCancelChoice, SubmitAssembler } from "../../../../core/messages/submit-frames.ts";
import type { TextBundle } from "../../../../core/model/text-bundle.ts";
import { serializeTextBundle, textBundleDigest } from "../../../../core/model/text-bundle-codec.ts";

/** The next id after `ids`, below `vocabulary`: FNV-1a over everything before it. */
export function hashedId(ids: readonly number[], choice: number, vocabulary: number): number {
  let hash = (0x811c9dc5 ^ choice) >>> 0;
  for (const id of [...ids, ids.length]) hash = Math.imul(hash ^ id, 0x01000193) >>> 0;
  return (hash >>> 8) % vocabulary;
}

/** A generation that the agent has accepted. */
export class AgentGeneration {
  readonly submit: GenerationSubmit;
  readonly stream: LinkStream;
  /** What the gateway did: `cancel 1`, or how the stream ended. */
  readonly heard: string[] = [];
  readonly #positions: number[];

  constructor(submit: GenerationSubmit, stream: LinkStream) {
    this.submit = submit;
    this.stream = stream;
    this.#positions = Array.from({ length: submit.choices }, (_, choice) => submit.begun[choice]?.outputIds.length ?? 0);
    stream.listen({
      frame: (payload) => {
        stream.consumed(1);
        const cancel = decodeCancelChoice(payload);
        this.heard.push(cancel === undefined ? "copy" : `cancel ${cancel.choice}`);
      },
      ended: (end: StreamEnd) => this.heard.push(end.kind),
    });
  }

  write(frame: AnswerFrame): void {
    for (const bytes of answerFrames(frame)) this.stream.write(bytes);
  }

  /** One frame with these ids of one choice. */
  tokens(ids: Iterable<number>, choice = 0): void {
    const tokens: ChoiceToken[] = [];
    for (const id of ids) {
      tokens.push({ choice, position: this.#positions[choice] ?? 0, id, logprob: undefined, topLogprobs: [] });
      this.#positions[choice] = (this.#positions[choice] ?? 0) + 1;
    }
    this.write({ kind: "tokens", tokens });
  }

  /** One frame per character; the test vocabulary is bytes. */
  say(text: string, choice = 0): void {
    for (const byte of new TextEncoder().encode(text)) this.tokens([byte], choice);
  }

  finish(choice = 0, reason: "stop" | "length" = "stop"): void {
    this.write({ kind: "finished", choice, reason });
  }
}

export interface HashAgentOptions {
  readonly node: string;
  readonly bus: Bus;
  readonly links: LinkNetwork;
  readonly bundle: TextBundle;
}

export class HashAgent {
  readonly node;
  readonly digest: string;
  readonly generations: AgentGeneration[] = [];
  readonly links: Link[] = [];
  /** Submits that arrived and were copies, or canceled before. */
  dropped = 0;
  bundlesSent = 0;
  address = "";
  /** What to do with generations: answer them, refuse them, or keep silent. */
  policy: { readonly kind: "accept" } | { readonly kind: "refuse"; readonly reason: RefusalReason } | { readonly kind: "silent" } = {
    kind: "accept",
  };
  readonly #bundleBytes: Uint8Array;
  readonly #sessions = new Map<string, { readonly link: Link; readonly window: SubmitWindow }>();

  private constructor(options: HashAgentOptions) {
    this.node = nodeId(options.node);
    this.#bundleBytes = serializeTextBundle(options.bundle);
    this.digest = textBundleDigest(this.#bundleBytes);
  }

  static async start(options: HashAgentOptions): Promise<HashAgent> {
    const agent = new HashAgent(options);
    const listener = await options.links.listen((link) => agent.#welcome(link));
    agent.address = listener.address;
    options.bus.subscribe(SUBJECTS.submit(agent.node), (payload) => agent.#fromBus(decodeSubmit(payload)));
    return agent;
  }

  /** The generation that came last. */
  get last(): AgentGeneration {
    const last = this.generations.at(-1);
    if (last === undefined) throw new Error("no generation was accepted");
    return last;
  }

  #welcome(link: Link): void {
    const window = new SubmitWindow();
    this.links.push(link);
    this.#sessions.set(link.session, { link, window });
    link.onStream((number) => {
      const stream = link.open(number, "tokens");
      const assembler = new SubmitAssembler();
      stream.listen({
        frame: (payload) => {
          stream.consumed(1);
          const submit = assembler.push(payload);
          if (submit !== undefined) this.#arrived(submit, window, stream);
        },
        ended: () => window.cancel(number),
      });
    });
  }

  #fromBus(submit: Submit): void {
    const session = this.#sessions.get(submit.session);
    if (session === undefined) return;
    const { link, window } = session;
    if (window.seen(submit.number)) this.dropped++;
    else this.#arrived(submit, window, link.open(submit.number, "tokens"));
  }

  #arrived({ number, body }: Submit, window: SubmitWindow, stream: LinkStream): void {
    if (!window.accept(number)) {
      this.dropped++;
      return;
    }
    if (body.kind !== "generate") {
      this.#sendBundle(stream);
      return;
    }
    switch (this.policy.kind) {
      case "accept": {
        stream.write(encodeAnswer({ kind: "accepted", queued: 0 }));
        this.generations.push(new AgentGeneration(body, stream));
        return;
      }
      case "refuse":
        stream.write(encodeAnswer({ kind: "refused", reason: this.policy.reason, message: "not now" }));
        stream.end();
        return;
      case "silent":
        this.generations.push(new AgentGeneration(body, stream));
    }
  }

  #sendBundle(stream: LinkStream): void {
    this.bundlesSent++;
    stream.write(encodeAnswer({ kind: "accepted", queued: 0 }));
    const frames = [...answerFrames({ kind: "part", bytes: this.#bundleBytes })];
    const sendOn = () => {
      while (stream.credit > 0 && frames.length > 0) stream.write(frames.shift() ?? new Uint8Array(0));
      if (frames.length === 0) stream.end();
    };
    stream.listen({ frame: () => stream.consumed(1), ended: () => {}, writable: sendOn });
    sendOn();
  }
}
