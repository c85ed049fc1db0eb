/** What a generation engine and whoever submits to it say to each other. */
import type { ServingError } from "../../core/errors.ts";
import type { ChoiceToken, FinishReason } from "../../core/messages/generation.ts";

/** Where a generation's events go, in order. Called from the loop: must neither block nor throw. */
export interface GenerationSink {
  /** Of one step; each position of each choice exactly once, ascending. */
  tokens(tokens: readonly ChoiceToken[]): void;
  /** The choice has all its tokens. */
  finished(choice: number, reason: FinishReason): void;
  /** The generation as a whole has failed; nothing follows. */
  failed(error: ServingError): void;
}

/** Everything here may be called at any time, after the end too. After a cancel the sink is not called any more. */
export interface GenerationHandle {
  cancel(): void;
  cancelChoice(choice: number): void;
  /** No further tokens are computed until `resume`; those under way still come. */
  pause(): void;
  resume(): void;
  /** Paused, it gives its slots to others; resumed, its caches are built again. */
  park(): void;
}
