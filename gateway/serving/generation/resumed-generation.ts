/**
 * Finds a resumable generation and takes its stream up here: the store says where it runs, its lead what it came to, or, where that is
 * lost, its journal.
 */
import { sleep } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import { generationId, nodeId } from "../../../core/ids.ts";
import type { AnswerFrame, GenerationSubmit } from "../../../core/messages/generation.ts";
import type { GenerationRecord as StoredRecord } from "../../../core/store/generations/generation-store.ts";
import type { Fleet, ReplicaView } from "../../control/fleet.ts";
import { type Attachment, attachGeneration } from "./attached-generation.ts";
import { endsReached } from "./ends-reached.ts";
import { GenerationRecord, RECORD_MS, type RecordDeps } from "./generation-record.ts";
import type { PlacedGeneration } from "./placed-generation.ts";
import { type RebuildDeps, rebuiltGeneration } from "./rebuilt-generation.ts";
import { type ResumeNote, readNote } from "./resume-note.ts";
import type { ResumeRequest, TextRequest } from "./text-generation.ts";

/** A gateway that has just started has heard of all nodes by then. */
const LEAD_MS_MAX = 2_000;
const LOOK_AGAIN_MS = 100;

export type ResumeDeps = RebuildDeps & RecordDeps & { readonly fleet: Pick<Fleet, "replicas" | "node"> };

export interface ResumedGeneration {
  /** As this gateway would have been asked for it. */
  readonly request: TextRequest;
  readonly placed: PlacedGeneration;
  readonly record: GenerationRecord;
  readonly note: ResumeNote;
  /** What it had come to before its lead got it. */
  readonly first: readonly AnswerFrame[];
}

/** @throws ServingError as `TextGeneration.resume` does before `started`; the signal's reason */
export async function resumedGeneration(asked: ResumeRequest, deps: ResumeDeps, signal: AbortSignal): Promise<ResumedGeneration> {
  const { generation, tenant } = asked;
  const fence = deps.random.id();
  const stored = await deps.generations.take(generation, { tenant, fence }, RECORD_MS);
  if (stored === undefined) throw unknown(generation);
  const requestOf = (submit: GenerationSubmit, note: ResumeNote) => resumedRequest(asked, stored.model, submit, note);
  const record = new GenerationRecord(deps, generation, fence);
  const lead = await attachedLead(asked, stored, deps, signal);
  if (lead !== undefined) {
    const placed = await taken(lead, deps, signal);
    const { submit } = placed;
    const note = readNote(submit.resumable);
    return { request: requestOf(submit, note), placed, record, note, first: framesOf(submit) };
  }
  const rebuilt = await rebuiltGeneration(asked, requestOf, deps, signal);
  if (rebuilt === undefined) throw lost(generation, stored);
  const { placed, note, first } = rebuilt;
  using undo = new DisposableStack();
  undo.use(placed);
  await record.moved(placed.replica);
  undo.move();
  return { request: requestOf(placed.submit, note), placed, record, note, first };
}

function resumedRequest(asked: ResumeRequest, model: string, submit: GenerationSubmit, note: ResumeNote): TextRequest {
  const { tenant, traceparent, explanation } = asked;
  return {
    model,
    tenant,
    prompt: { kind: "ids", ids: [...submit.promptIds] },
    choices: submit.choices,
    tokensMax: submit.tokensMax,
    stop: note.stop,
    sampling: submit.sampling,
    deadlineMs: undefined,
    traceparent,
    explanation,
    resumable: note.resumable,
  };
}

/** The lead's answers, as those of a generation that was placed here. */
async function taken({ attached, replica }: AttachedLead, deps: ResumeDeps, signal: AbortSignal): Promise<PlacedGeneration> {
  const { submit, answers } = attached;
  using undo = new DisposableStack();
  undo.use(answers);
  undo.use(deps.inFlight.begin(replica.replica));
  const model = await deps.bundles.get(replica.textDigest, replica, signal);
  const kept = undo.move();
  return { submit, replica, model, answers, [Symbol.dispose]: () => kept.dispose() };
}

interface AttachedLead {
  readonly attached: Extract<Attachment, { readonly kind: "attached" }>;
  readonly replica: ReplicaView;
}

/** Waits for a lead that is not heard of at the moment. undefined: it is lost */
async function attachedLead(
  asked: ResumeRequest,
  stored: StoredRecord,
  deps: ResumeDeps,
  signal: AbortSignal,
): Promise<AttachedLead | undefined> {
  const untilMs = deps.clock.now() + LEAD_MS_MAX;
  for (;;) {
    const found = await attachedOnce(asked, stored, deps, signal);
    if (typeof found === "object") return found;
    if (found === "lost" || deps.clock.now() >= untilMs) return undefined;
    await sleep(deps.clock, LOOK_AGAIN_MS, signal);
  }
}

async function attachedOnce(
  { generation, tenant }: ResumeRequest,
  stored: StoredRecord,
  deps: ResumeDeps,
  signal: AbortSignal,
): Promise<AttachedLead | "unreachable" | "lost"> {
  const node = nodeId(stored.node);
  const heartbeat = deps.fleet.node(node)?.heartbeat;
  if (heartbeat === undefined) return "unreachable";
  if (stored.incarnation !== "" && heartbeat.incarnation !== stored.incarnation) return "lost";
  const target = { node, link: heartbeat.link };
  const attached = await attachGeneration({ generation: generationId(generation), tenant, from: [] }, target, deps.submitter, signal);
  if (attached.kind === "unreachable") return "unreachable";
  if (attached.kind === "refused") throw unknown(generation);
  const replica = deps.fleet.replicas().find((one) => one.node === node && one.replica === attached.submit.replica);
  if (replica !== undefined) return { attached, replica };
  attached.answers[Symbol.dispose]();
  return "lost";
}

/** A generation that has moved began with ids: their log probabilities stayed with the lead before. */
function framesOf(submit: GenerationSubmit): readonly AnswerFrame[] {
  if (submit.begun.length === 0) return [];
  const tokens = submit.begun.flatMap(({ outputIds }, choice) =>
    Array.from(outputIds, (id, position) => ({ choice, position, id, logprob: undefined, topLogprobs: [] })),
  );
  const ends = endsReached(
    submit,
    submit.begun.map(({ outputIds }) => ({ outputIds, over: false })),
  );
  return [{ kind: "tokens", tokens }, ...ends];
}

function unknown(generation: string): ServingError {
  const quoted = JSON.stringify(generation.slice(0, 80));
  const message = `there is no resumable generation ${quoted}: none was begun with X-Nereid-Resumable, it was left alone for more than 30 s, or ended more than 60 s ago: send the request again`;
  return new ServingError("NOT_FOUND", message, { reason: "generation_unknown" });
}

function lost(generation: string, { node }: StoredRecord): ServingError {
  const message = `generation ${generation} is lost: its gateway is gone, and so is node ${node}, which had the only other copy, and there is no journal of it: send the request again`;
  return new ServingError("DATA_LOSS", message, { reason: "generation_lost" });
}
