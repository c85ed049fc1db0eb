/** Attaches to a generation that a lead runs or keeps: after a lost link, or for a client that has come back. */
import { ServingError } from "../../../core/errors.ts";
import type { GenerationId } from "../../../core/ids.ts";
import { HeadAssembler } from "../../../core/messages/attached-head.ts";
import type { GenerationSubmit } from "../../../core/messages/generation.ts";
import type { AnswerStream } from "../answer-stream.ts";
import type { NodeTarget } from "../link-pool.ts";
import type { Submission, Submitter } from "../submit.ts";

export type Attachment =
  | { readonly kind: "attached"; readonly submit: GenerationSubmit; readonly answers: AnswerStream }
  | Exclude<Submission, { readonly kind: "accepted" }>;

export interface Attaching {
  readonly generation: GenerationId;
  readonly tenant: string;
  /** By choice, how many tokens are here already. */
  readonly from: readonly number[];
}

/** The answers are for who asked to dispose. @throws as `Submitter.submit` */
export async function attachGeneration(
  { generation, tenant, from }: Attaching,
  target: NodeTarget,
  submitter: Submitter,
  signal: AbortSignal,
): Promise<Attachment> {
  const outcome = await submitter.submit({ kind: "attach", generation, tenant, from }, target, signal);
  if (outcome.kind !== "accepted") return outcome;
  const { answers } = outcome;
  using undo = new DisposableStack();
  undo.use(answers);
  const head = new HeadAssembler();
  for (;;) {
    const frame = await answers.next();
    if (frame?.kind !== "part") throw new ServingError("INTERNAL", `node ${target.node} does not say what the generation is`);
    const submit = head.push(frame.bytes);
    if (submit === undefined) continue;
    undo.move();
    return { kind: "attached", submit, answers };
  }
}
