/** The generation that shows whether all stages work: one prefill and one decode run. */
import type { ServingError } from "../../core/errors.ts";
import { generationId } from "../../core/ids.ts";
import type { GenerationSubmit } from "../../core/messages/generation.ts";
import { GREEDY } from "../../core/model/sampling-parameters.ts";
import { NO_TENANT } from "../generation/sequence.ts";
import type { GenerationHandle, GenerationSink } from "./generation-sink.ts";

/** Of no tenant: its turn comes before theirs. Two tokens that every vocabulary has are the shortest prompt that needs no dummy. */
export const CANARY: GenerationSubmit = {
  kind: "generate",
  generation: generationId("canary"),
  replica: "",
  tenant: NO_TENANT,
  remainingMs: undefined,
  traceparent: "",
  promptIds: Int32Array.of(0, 0),
  choices: 1,
  tokensMax: 2,
  stopIds: [],
  sampling: GREEDY,
  begun: [],
};

/** Resolves when the canary that `start` begins has come through. @throws ServingError when it fails; the signal's reason, and it is canceled. */
export function canaryPassed(start: (sink: GenerationSink) => GenerationHandle, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      handle.cancel();
      reject(signal.reason);
    };
    const settle = (act: () => void) => {
      signal.removeEventListener("abort", onAbort);
      act();
    };
    const handle = start({
      tokens: () => {},
      finished: () => settle(resolve),
      failed: (error: ServingError) => settle(() => reject(error)),
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
