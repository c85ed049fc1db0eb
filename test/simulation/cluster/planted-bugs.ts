/**
 * Bugs that a cluster might have, each made from the outside, at the ports between gateway and agent: what the simulation is worth
 * is how soon it finds them.
 */
import type { Bus } from "../../../core/bus/bus.ts";
import type { Clock } from "../../../core/clock.ts";
import type { Link, LinkNetwork, LinkStream } from "../../../core/link/link.ts";
import { decodeAnswer, encodeAnswer } from "../../../core/messages/answer-codec.ts";
import type { AnswerFrame, BegunChoice, ChoiceToken, GenerationSubmit, Submit } from "../../../core/messages/generation.ts";
import { decodeSubmit, encodeSubmit } from "../../../core/messages/submit-codec.ts";
import { SubmitAssembler, submitFrames } from "../../../core/messages/submit-frames.ts";
import type { JournalKeys } from "../../../core/store/journals/journal-seal.ts";
import type { JournalStore } from "../../../core/store/journals/journal-store.ts";
import type { ResumeRequest, TextGeneration } from "../../../gateway/serving/generation/text-generation.ts";
import { Dice } from "./dice.ts";

/** Where leads write down what resumable generations come to. */
export interface KeptJournals {
  readonly store: JournalStore;
  readonly keys: JournalKeys;
  readonly clock: Clock;
}

export interface PlantedBug {
  readonly name: string;
  /** What becomes of a generation that is submitted again. */
  readonly resumed?: (submit: GenerationSubmit) => Partial<GenerationSubmit>;
  /** What becomes of the tokens of a frame, once in a while. */
  readonly tokens?: (tokens: readonly ChoiceToken[]) => readonly ChoiceToken[];
  /** What a gateway wants no more goes on. */
  readonly keepsStreams?: boolean;
  /** What becomes of a client that comes back for its stream. */
  readonly comesBack?: (request: ResumeRequest) => Partial<ResumeRequest>;
  /** Whoever comes for a stream is taken for its owner. */
  readonly trustsEverybody?: boolean;
  /** How leads keep their journals. */
  readonly journals?: (kept: KeptJournals) => JournalStore;
}

const ids = (change: (ids: Int32Array) => Iterable<number>) => (submit: GenerationSubmit) => ({
  begun: submit.begun.map(({ outputIds, over }): BegunChoice => ({ outputIds: Int32Array.from(change(outputIds)), over })),
});

function shifted(by: number) {
  return ({ told }: ResumeRequest) => ({ told: told?.map((position) => Math.max(0, position + by)) });
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  { name: "goes on one token too early", resumed: ids((all) => all.slice(0, -1)) },
  { name: "goes on one token too late", resumed: ids((all) => [...all, ...all.slice(-1)]) },
  { name: "goes on after another token", resumed: ids((all) => all.map((id, index) => (index === all.length - 1 ? (id + 1) % 256 : id))) },
  { name: "begins again", resumed: () => ({ begun: [] }) },
  { name: "goes on with another seed", resumed: ({ sampling }) => ({ sampling: { ...sampling, seed: sampling.seed ^ 1n } }) },
  { name: "goes on with another's choices", resumed: ({ begun }) => ({ begun: [...begun.slice(1), ...begun.slice(0, 1)] }) },
  { name: "goes on after a part of its prompt", resumed: ({ promptIds }) => ({ promptIds: promptIds.slice(-1) }) },
  { name: "goes on beyond its length", resumed: ({ tokensMax }) => ({ tokensMax: tokensMax + 1 }) },
  { name: "goes on beyond its end", resumed: () => ({ stopIds: [] }) },
  { name: "delivers a token twice", tokens: (tokens) => [...tokens, ...tokens.slice(-1)] },
  { name: "loses a token", tokens: (tokens) => tokens.slice(0, -1) },
  { name: "mixes up positions", tokens: (tokens) => tokens.map((token) => ({ ...token, position: token.position + 1 })) },
  { name: "computes for clients that have left", keepsStreams: true },
];

/** Of clients that come back for their streams: `resume.test.ts` finds them. */
export const RESUME_BUGS: readonly PlantedBug[] = [
  { name: "takes a stream up one token too late", comesBack: shifted(1) },
  { name: "takes a stream up one token too early", comesBack: shifted(-1) },
  { name: "takes a stream up at its beginning", comesBack: () => ({ told: undefined }) },
  { name: "gives a stream to another tenant", trustsEverybody: true },
];

/** Of the tokens' frames, how many a bug hits. */
const HIT = 0.02;

/** A gateway's side of the bus and of its links, with the bug in it. */
export function withBug(bug: PlantedBug | undefined, bus: Bus, links: LinkNetwork): { readonly bus: Bus; readonly links: LinkNetwork } {
  if (bug === undefined) return { bus, links };
  const dice = new Dice(1n);
  const buggyBus: Bus = {
    payloadBytesMax: bus.payloadBytesMax,
    get connected() {
      return bus.connected;
    },
    publish: (subject, payload) =>
      bus.publish(subject, subject.endsWith(".submit") ? encodeSubmit(changed(decodeSubmit(payload), bug)) : payload),
    subscribe: (pattern, listener) => bus.subscribe(pattern, listener),
    onConnection: (listener) => bus.onConnection(listener),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
  const dial: LinkNetwork["dial"] = async (address, signal) => buggyLink(await links.dial(address, signal), bug, dice);
  return { bus: buggyBus, links: { dial, listen: (onLink) => links.listen(onLink) } };
}

/** A gateway's serving of text as its doors see it, with the bug in it. */
export function generationWithBug(bug: PlantedBug | undefined, generation: TextGeneration): TextGeneration {
  if (bug?.comesBack === undefined && bug?.trustsEverybody !== true) return generation;
  return {
    async *generate(request, signal) {
      for await (const event of generation.generate(request, signal)) {
        if (event.kind === "started") OWNERS.set(event.generation, request.tenant);
        yield event;
      }
    },
    resume: (request, signal) => {
      const tenant = bug.trustsEverybody === true ? (OWNERS.get(request.generation) ?? "") : request.tenant;
      return generation.resume({ ...request, ...bug.comesBack?.(request), tenant }, signal);
    },
  };
}

/** By generation; for the bug alone. */
const OWNERS = new Map<string, string>();

function changed(submit: Submit, bug: PlantedBug): Submit {
  const { body } = submit;
  if (bug.resumed === undefined || body.kind !== "generate" || body.begun.every(({ outputIds }) => outputIds.length === 0)) return submit;
  return { ...submit, body: { ...body, ...bug.resumed(body) } };
}

function buggyLink(link: Link, bug: PlantedBug, dice: Dice): Link {
  return {
    session: link.session,
    closed: link.closed,
    get streams() {
      return link.streams;
    },
    open: (number, kind) => buggyStream(link.open(number, kind), bug, dice),
    onStream: (listener) => link.onStream(listener),
    close: () => link.close(),
  };
}

function buggyStream(stream: LinkStream, bug: PlantedBug, dice: Dice): LinkStream {
  const answer = (payload: Uint8Array): Uint8Array => {
    const frame: AnswerFrame = decodeAnswer(payload);
    if (bug.tokens === undefined || frame.kind !== "tokens" || !dice.happens(HIT)) return payload;
    return encodeAnswer({ kind: "tokens", tokens: bug.tokens(frame.tokens) });
  };
  return {
    number: stream.number,
    get credit() {
      return stream.credit;
    },
    listen: (listener) => stream.listen({ ...listener, frame: (payload) => listener.frame(answer(payload)) }),
    write: (payload) => {
      const submit = payload[0] === 2 ? new SubmitAssembler().push(payload) : undefined; // in one part, as all here are
      for (const part of submit === undefined ? [payload] : submitFrames(encodeSubmit(changed(submit, bug)))) stream.write(part);
    },
    consumed: (count) => stream.consumed(count),
    end: () => stream.end(),
    reset: (reason) => bug.keepsStreams === true || stream.reset(reason),
  };
}
