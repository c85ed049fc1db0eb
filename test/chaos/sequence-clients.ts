/**
 * Clients of the stateful model: each adds numbers up in a sequence of its own and knows every sum. A step that is answered with 503 is
 * sent again under its number; any other failure ends the sequence. A sum that is too low was rewound, one that is too high was
 * applied twice. Where they repeat themselves, some steps are sent twice at once, others again when they are answered.
 */
import { type Clock, sleep, systemClock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
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
  /** Steps that were sent twice though the first answer was right, and those of them whose answers had other outputs. */
  readonly repeated: number;
  readonly unlike: number;
  /** Sequences that an error has ended. */
  readonly ended: readonly string[];
  readonly tookMsMax: number;
}

export interface RunningSequences {
  /** Steps answered so far. */
  readonly steps: number;
  /** Of each sequence that has begun, in the order in which they did; infinite when it is over. */
  readonly stepsOf: readonly number[];
  readonly report: Promise<SequencesReport>;
}

export interface SequencesOptions {
  readonly count: number;
  readonly steps: number;
  /** Id of the first sequence, 1 unless said; the others follow. */
  readonly first?: number;
  /** Sequences at a time; all unless said. */
  readonly atOnce?: number;
  /** Draws which steps are sent twice; none unless there. */
  readonly repeats?: Random | undefined;
  /** Ends sequences early, each with the step that comes next. */
  readonly isOver?: () => boolean;
  /** Steps carry their number, by which repeats are known; they do unless said. */
  readonly numbered?: boolean;
}

const TWICE_AT_ONCE = 0.05;
const AGAIN_LATER = 0.05;
const AGAIN_AFTER_MS = 50;
const PAUSE_MS = 20;
const never = new AbortController().signal;

export function startSequences(where: Where, options: SequencesOptions, clock: Clock = systemClock): RunningSequences {
  const { count, steps, first = 1, atOnce = count, repeats, numbered = true, isOver = () => false } = options;
  const seen = { steps: 0, lost: 0, twice: 0, waited: 0, repeated: 0, unlike: 0, tookMsMax: 0 };
  const ended: string[] = [];
  const stepsOf: number[] = [];
  const answered = async (step: Step) => {
    let answer = await stepOnce(where(step.id), step);
    for (; answer.status === 503; answer = await stepOnce(where(step.id), step)) {
      seen.waited += 1;
      await sleep(clock, AGAIN_AFTER_MS, never);
    }
    return answer;
  };
  const repeated = async (step: Step) => {
    const drawn = repeats?.next() ?? 1;
    if (drawn >= TWICE_AT_ONCE + AGAIN_LATER) return await answered(step);
    const both = drawn < TWICE_AT_ONCE ? await Promise.all([answered(step), answered(step)]) : [await answered(step), await answered(step)];
    seen.repeated += 1;
    if (both[0]?.outputs !== both[1]?.outputs) seen.unlike += 1;
    return both.find(({ sum }) => sum === undefined) ?? both[0] ?? (await answered(step));
  };
  const run = async (id: number) => {
    for (let step = 1, sum = 0; step <= steps; step++) {
      sum += step * id;
      const startMs = clock.now();
      const last = step === steps || isOver();
      const answer = await repeated({ id, step, last, numbered });
      seen.tookMsMax = Math.max(seen.tookMsMax, Math.round(clock.now() - startMs));
      if (answer.sum === undefined) return void ended.push(`${answer.status} ${answer.text}`);
      if (answer.sum < sum) seen.lost += 1;
      if (answer.sum > sum) seen.twice += 1;
      seen.steps += 1;
      stepsOf[id - first] = step;
      if (last) return;
      await sleep(clock, PAUSE_MS, never);
    }
  };
  let next = first;
  const runSome = async () => {
    while (next < first + count) {
      const id = next++;
      await run(id);
      stepsOf[id - first] = Number.POSITIVE_INFINITY;
    }
  };
  const running = Promise.all(Array.from({ length: atOnce }, runSome));
  return {
    get steps() {
      return seen.steps;
    },
    stepsOf,
    report: running.then(() => ({ ...seen, ended })),
  };
}

interface Step {
  readonly id: number;
  readonly step: number;
  readonly last: boolean;
  readonly numbered: boolean;
}

async function stepOnce(url: string, { id, step, last, numbered }: Step) {
  const number = numbered ? { sequence_step: step } : {};
  const parameters = { sequence_id: id, sequence_start: step === 1, sequence_end: last, ...number };
  const inputs = [{ name: "INPUT", datatype: "INT32", shape: [1, 1], data: [step * id] }];
  const response = await post(url, `/v2/models/${SEQUENCES}/infer`, { parameters, inputs, outputs: [{ name: "OUTPUT" }] });
  const text = await response.text();
  const answer: { readonly outputs?: readonly { readonly data: readonly number[] }[] } = response.ok ? JSON.parse(text) : {};
  return { status: response.status, text, outputs: JSON.stringify(answer.outputs), sum: answer.outputs?.[0]?.data[0] };
}
