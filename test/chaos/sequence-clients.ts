/**
 * Clients of the stateful model: each adds numbers up in a sequence of its own and knows every sum. A step that is answered with 503 is
 * sent again under its number; any other failure ends the sequence. A sum that is too low was rewound, one that is too high was
 * applied twice.
 */
import { type Clock, sleep, systemClock } from "../../core/clock.ts";
import { post } from "../cluster/completion-client.ts";
import { SEQUENCES } from "./chaos-models.ts";
import type { Where } from "./questions.ts";

export interface SequencesReport {
  /** Steps that were answered with the right sum. */
  readonly steps: number;
  readonly lost: number;
  readonly twice: number;
  /** Answers 503, after which the step was sent again. */
  readonly waited: number;
  /** Sequences that an error has ended. */
  readonly ended: readonly string[];
  readonly tookMsMax: number;
}

export interface RunningSequences {
  /** Steps answered so far. */
  readonly steps: number;
  readonly report: Promise<SequencesReport>;
}

const AGAIN_AFTER_MS = 50;
const PAUSE_MS = 20;
const never = new AbortController().signal;

/** @param first id of the first sequence; the others follow */
export function startSequences(
  where: Where,
  { count, steps, first = 1 }: { readonly count: number; readonly steps: number; readonly first?: number },
  clock: Clock = systemClock,
): RunningSequences {
  const seen = { steps: 0, lost: 0, twice: 0, waited: 0, tookMsMax: 0 };
  const ended: string[] = [];
  const run = async (id: number) => {
    for (let step = 1, sum = 0; step <= steps; step++) {
      sum += step * id;
      const startMs = clock.now();
      let answer = await stepOnce(where(id), { id, step, last: step === steps });
      for (; answer.status === 503; answer = await stepOnce(where(id), { id, step, last: step === steps })) {
        seen.waited += 1;
        await sleep(clock, AGAIN_AFTER_MS, never);
      }
      seen.tookMsMax = Math.max(seen.tookMsMax, Math.round(clock.now() - startMs));
      if (answer.sum === undefined) return void ended.push(`${answer.status} ${answer.text}`);
      if (answer.sum < sum) seen.lost += 1;
      if (answer.sum > sum) seen.twice += 1;
      seen.steps += 1;
      await sleep(clock, PAUSE_MS, never);
    }
  };
  const running = Promise.all(Array.from({ length: count }, (_, index) => run(first + index)));
  return {
    get steps() {
      return seen.steps;
    },
    report: running.then(() => ({ ...seen, ended })),
  };
}

interface Step {
  readonly id: number;
  readonly step: number;
  readonly last: boolean;
}

async function stepOnce(url: string, { id, step, last }: Step) {
  const parameters = { sequence_id: id, sequence_start: step === 1, sequence_end: last, sequence_step: step };
  const inputs = [{ name: "INPUT", datatype: "INT32", shape: [1, 1], data: [step * id] }];
  const response = await post(url, `/v2/models/${SEQUENCES}/infer`, { parameters, inputs, outputs: [{ name: "OUTPUT" }] });
  const text = await response.text();
  const answer: { readonly outputs?: readonly { readonly data: readonly number[] }[] } = response.ok ? JSON.parse(text) : {};
  return { status: response.status, text, sum: answer.outputs?.[0]?.data[0] };
}
