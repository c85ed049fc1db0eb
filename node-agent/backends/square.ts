/**
 * Triton's sample backend `square`, decoupled: as many answers as IN (INT32 [1]) says, each with OUT = IN. Parameters, as its square.cc
 * reads them: CUSTOM_INFER_DELAY_NS before each answer, CUSTOM_OUTPUT_DELAY_NS before it is sent; of the last answers CUSTOM_EMPTY_COUNT
 * are left out, and CUSTOM_FAIL_COUNT before those fail.
 */
import { sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { answerDetached } from "./answer-detached.ts";
import type { Backend, BackendDeps, BackendRequest } from "./backend.ts";
import { wholeNumber } from "./whole-number.ts";

interface Settings {
  readonly delayMs: number;
  readonly failing: number;
  readonly empty: number;
}

const NS_PER_MS = 1e6;

export function squareBackend(deps: BackendDeps): Backend {
  return {
    async open({ configuration: { parameters } }) {
      const settings: Settings = {
        delayMs: (wholeNumber(parameters, "CUSTOM_INFER_DELAY_NS") + wholeNumber(parameters, "CUSTOM_OUTPUT_DELAY_NS")) / NS_PER_MS,
        failing: wholeNumber(parameters, "CUSTOM_FAIL_COUNT"),
        empty: wholeNumber(parameters, "CUSTOM_EMPTY_COUNT"),
      };
      return {
        async execute(requests) {
          for (const request of requests) answerDetached(request, (one) => square(one, settings, deps));
        },
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}

async function square({ inputs: [input], sender }: BackendRequest, settings: Settings, { clock }: BackendDeps): Promise<void> {
  const { delayMs, failing, empty } = settings;
  const data = input?.data ?? new Uint8Array(4);
  const count = new DataView(data.buffer, data.byteOffset).getInt32(0, true);
  const shape = (input?.shape ?? [1]).map(() => 1);
  for (let index = 0; index < count; index++) {
    if (delayMs > 0) await sleep(clock, delayMs, sender.signal);
    if (index + empty >= count) continue;
    const fails = index + failing + empty >= count;
    await sender.send(
      fails ? new ServingError("UNKNOWN", "simulated failure") : [{ name: "OUT", dtype: "INT32", shape, data: data.slice(0, 4) }],
    );
    if (sender.isCanceled) return;
  }
  sender.end();
}
