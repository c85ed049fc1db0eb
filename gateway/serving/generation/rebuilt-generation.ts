/** A resumable generation of which neither its gateway nor its lead is left goes on from its journal, wherever its model is served. */
import { sleep } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import { nodeId } from "../../../core/ids.ts";
import type { AnswerFrame } from "../../../core/messages/generation.ts";
import type { GenerationJournals } from "./generation-journals.ts";
import { journaledStart } from "./journaled-start.ts";
import { type Departure, type PlacedGeneration, type PlacementDeps, placeGeneration } from "./placed-generation.ts";
import { type ResumeNote, readNote } from "./resume-note.ts";
import type { ResumeRequest, TextRequest } from "./text-generation.ts";

/** A machine that is started again has loaded a small model by then. */
const WAIT_MS_MAX = 30_000;
const LOOK_AGAIN_MS = 100;

export interface RebuildDeps extends PlacementDeps {
  /** undefined: this gateway has no key to them. */
  readonly journals: GenerationJournals | undefined;
}

export interface RebuiltGeneration {
  readonly placed: PlacedGeneration;
  readonly note: ResumeNote;
  readonly first: readonly AnswerFrame[];
}

/**
 * @param requestOf the generation as a gateway is asked for it
 * @returns undefined: there is no journal of it @throws ServingError as `placeGeneration`, when no replica takes it in time
 */
export async function rebuiltGeneration(
  asked: ResumeRequest,
  requestOf: (submit: PlacedGeneration["submit"], note: ResumeNote) => TextRequest,
  deps: RebuildDeps,
  signal: AbortSignal,
): Promise<RebuiltGeneration | undefined> {
  const arrivedMs = deps.clock.now();
  const journaled = await deps.journals?.read(asked);
  if (journaled === undefined) return undefined;
  const { submit } = journaled;
  const note = readNote(submit.resumable);
  const request = requestOf(submit, note);
  const { begun, first } = journaledStart(journaled);
  const left = { submit, replica: { ...note, node: nodeId(note.node) } };
  for (;;) {
    try {
      const from: Departure["from"] = { ...left, model: await textModel(note, deps, signal) };
      return { placed: await placeGeneration(request, arrivedMs, deps, signal, { from, begun }), note, first };
    } catch (thrown) {
      const passes = thrown instanceof ServingError && (thrown.code === "UNAVAILABLE" || thrown.code === "RESOURCE_EXHAUSTED");
      if (signal.aborted || !passes || deps.clock.now() - arrivedMs >= WAIT_MS_MAX) throw thrown;
    }
    await sleep(deps.clock, LOOK_AGAIN_MS, signal);
  }
}

/** @throws ServingError UNAVAILABLE while nobody serves the model with the same text side */
async function textModel({ textDigest }: ResumeNote, { fleet, bundles }: RebuildDeps, signal: AbortSignal) {
  const replica = fleet.replicas().find((one) => one.ready && one.textDigest === textDigest);
  if (replica !== undefined) return await bundles.get(textDigest, replica, signal);
  throw new ServingError("UNAVAILABLE", "the model that the stream is of is not ready: try again", { reason: "not-ready" });
}
