/**
 * Triton's sample backend `identity`: OUTPUTn is INPUTn. Parameters, as its identity.cc reads them: `creation_delay_sec`,
 * `execute_delay_ms`. (`instance_wise_delay_multiplier` multiplies by the number of a GPU: by 1 on CPUs.)
 */
import { sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Backend, BackendDeps, BackendRequest } from "./backend.ts";
import { wholeNumber } from "./whole-number.ts";

export function identityBackend({ clock }: BackendDeps): Backend {
  return {
    async open({ configuration: { parameters } }, _number, signal) {
      const creationSeconds = wholeNumber(parameters, "creation_delay_sec");
      if (creationSeconds > 0) await sleep(clock, creationSeconds * 1000, signal);
      const delayMs = wholeNumber(parameters, "execute_delay_ms");
      const gone = new AbortController();
      return {
        async execute(requests) {
          if (delayMs > 0) await sleep(clock, delayMs, gone.signal);
          for (const request of requests) answer(request);
        },
        async [Symbol.asyncDispose]() {
          gone.abort(new ServingError("UNAVAILABLE", "the model was unloaded"));
        },
      };
    },
  };
}

function answer({ inputs, outputs, sender }: BackendRequest): void {
  if (sender.isCanceled) return;
  const copies: Tensor[] = [];
  for (const name of outputs) {
    const source = name.replace("OUTPUT", "INPUT");
    const input = inputs.find((one) => one.name === source);
    if (input === undefined) {
      sender.end(new ServingError("UNIMPLEMENTED", `failed to get input '${source}'`));
      return;
    }
    copies.push({ ...input, name });
  }
  sender.end(copies);
}
