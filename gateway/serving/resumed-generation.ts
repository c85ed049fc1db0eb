/** Finds a resumable generation and takes its stream up here: the store says where it runs, its lead what it came to. */
import { sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { generationId, nodeId } from "../../core/ids.ts";
import type { AnswerFrame, GenerationSubmit } from "../../core/messages/generation.ts";
import type { GenerationRecord as StoredRecord } from "../../core/store/generations/generation-store.ts";
import type { Fleet, ReplicaView } from "../control/fleet.ts";
import { type Attachment, attachGeneration } from "./attached-generation.ts";
import { endsReached } from "./ends-reached.ts";
import { GenerationRecord, RECORD_MS, type RecordDeps } from "./generation-record.ts";
import type { PlacedGeneration, PlacementDeps } from "./placed-generation.ts";
import { type ResumeNote, readNote } from "./resume-note.ts";
import type { ResumeRequest, TextRequest } from "./text-generation.ts";

/** A gateway that has just started has heard of all nodes by then. */
const LEAD_MS_MAX = 2_000;
const LOOK_AGAIN_MS = 100;

export type ResumeDeps = PlacementDeps & RecordDeps & { readonly fleet: Pick<Fleet, "replicas" | "node"> };

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
  const { generation, tenant, traceparent } = asked;
  const fence = deps.random.id();
  const stored = await deps.generations.take(generation, { tenant, fence }, RECORD_MS);
  if (stored === undefined) throw unknown(generation);
  const { attached, replica } = await attachedLead(asked, stored, deps, signal);
  const { submit, answers } = attached;
  using undo = new DisposableStack();
  undo.use(answers);
  undo.use(deps.inFlight.begin(replica.replica));
  const model = await deps.bundles.get(replica.textDigest, replica, signal);
  const note = readNote(submit.resumable);
  const request: TextRequest = {
    model: stored.model,
    tenant,
    prompt: { kind: "ids", ids: [...submit.promptIds] },
    choices: submit.choices,
    tokensMax: submit.tokensMax,
    stop: note.stop,
    sampling: submit.sampling,
    deadlineMs: undefined,
    traceparent,
    resumable: note.resumable,
  };
  const kept = undo.move();
  return {
    request,
    placed: { submit, replica, model, answers, [Symbol.dispose]: () => kept.dispose() },
    record: new GenerationRecord(deps, generation, fence),
    note,
    first: framesOf(submit),
  };
}

interface AttachedLead {
  readonly attached: Extract<Attachment, { readonly kind: "attached" }>;
  readonly replica: ReplicaView;
}

/** Waits for a lead that is not heard of at the moment. */
async function attachedLead(asked: ResumeRequest, stored: StoredRecord, deps: ResumeDeps, signal: AbortSignal): Promise<AttachedLead> {
  const untilMs = deps.clock.now() + LEAD_MS_MAX;
  for (;;) {
    const found = await attachedOnce(asked, stored, deps, signal);
    if (found !== undefined) return found;
    if (deps.clock.now() >= untilMs) throw lost(asked.generation, stored);
    await sleep(deps.clock, LOOK_AGAIN_MS, signal);
  }
}

/** undefined: its lead is not to be reached. */
async function attachedOnce(
  { generation, tenant }: ResumeRequest,
  stored: StoredRecord,
  deps: ResumeDeps,
  signal: AbortSignal,
): Promise<AttachedLead | undefined> {
  const node = nodeId(stored.node);
  const heartbeat = deps.fleet.node(node)?.heartbeat;
  if (heartbeat === undefined) return undefined;
  if (stored.incarnation !== "" && heartbeat.incarnation !== stored.incarnation) throw lost(generation, stored);
  const target = { node, link: heartbeat.link };
  const attached = await attachGeneration({ generation: generationId(generation), tenant, from: [] }, target, deps.submitter, signal);
  if (attached.kind === "unreachable") return undefined;
  if (attached.kind === "refused") throw unknown(generation);
  const replica = deps.fleet.replicas().find((one) => one.node === node && one.replica === attached.submit.replica);
  if (replica !== undefined) return { attached, replica };
  attached.answers[Symbol.dispose]();
  throw lost(generation, stored);
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
  const message = `generation ${generation} is lost: its gateway is gone, and so is node ${node}, which had the only other copy: send the request again`;
  return new ServingError("DATA_LOSS", message, { reason: "generation_lost" });
}
