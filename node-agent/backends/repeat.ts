/**
 * Triton's sample backend `repeat`, decoupled: an answer for each element of IN (INT32), the i-th after DELAY[i] ms (UINT32), with OUT
 * the element and IDX its place. The instance takes its next request after WAIT ms, whether all answers are out or not.
 */
import { sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { answerDetached } from "./answer-detached.ts";
import type { Backend, BackendDeps, BackendRequest } from "./backend.ts";

export function repeatBackend(deps: BackendDeps): Backend {
  return {
    async open() {
      const gone = new AbortController();
      return {
        async execute(requests) {
          let waitMs = 0;
          for (const request of requests) {
            answerDetached(request, (one) => repeat(one, deps));
            waitMs = Math.max(waitMs, numbers(request, "WAIT", "getUint32")[0] ?? 0);
          }
          if (waitMs > 0) await sleep(deps.clock, waitMs, gone.signal);
        },
        async [Symbol.asyncDispose]() {
          gone.abort(new ServingError("UNAVAILABLE", "the model was unloaded"));
        },
      };
    },
  };
}

async function repeat(request: BackendRequest, { clock }: BackendDeps): Promise<void> {
  const { sender, outputs } = request;
  const delays = numbers(request, "DELAY", "getUint32");
  for (const [place, value] of numbers(request, "IN", "getInt32").entries()) {
    const delayMs = delays[place] ?? 0;
    if (delayMs > 0) await sleep(clock, delayMs, sender.signal);
    const made: Readonly<Record<string, Tensor>> = {
      OUT: { name: "OUT", dtype: "INT32", shape: [1], data: new Uint8Array(Int32Array.of(value).buffer) },
      IDX: { name: "IDX", dtype: "UINT32", shape: [1], data: new Uint8Array(Uint32Array.of(place).buffer) },
    };
    await sender.send(outputs.flatMap((name) => made[name] ?? []));
    if (sender.isCanceled) return;
  }
  sender.end();
}

function numbers({ inputs }: BackendRequest, name: string, read: "getInt32" | "getUint32"): readonly number[] {
  const { data } = inputs.find((input) => input.name === name) ?? { data: new Uint8Array(0) };
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: data.byteLength / 4 }, (_, place) => view[read](place * 4, true));
}
