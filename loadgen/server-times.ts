/** What the server says of the requests between two looks at its statistics. Pure. */
import type { ModelStatistics } from "../client/answers.ts";

export interface ServerTimes {
  /** Elements of batches; batches; answered requests. */
  readonly inferences: number;
  readonly executions: number;
  readonly successes: number;
  readonly cacheHits: number;
  /** Microseconds of one request, on average. */
  readonly requestUs: number;
  readonly queueUs: number;
  readonly computeInputUs: number;
  readonly computeInferUs: number;
  readonly computeOutputUs: number;
  /** What is left of `requestUs`. */
  readonly overheadUs: number;
}

type Part = "success" | "queue" | "computeInput" | "computeInfer" | "computeOutput" | "cacheHit";

/** Of all versions together, where no single one was asked for. undefined: nothing was answered in between. */
export function serverTimes(before: readonly ModelStatistics[], after: readonly ModelStatistics[]): ServerTimes | undefined {
  const counted = (pick: (statistics: ModelStatistics) => bigint) => Number(sum(after.map(pick)) - sum(before.map(pick)));
  const count = (part: Part) => counted(({ inferenceStats }) => inferenceStats[part].count);
  const totalNs = (part: Part) => counted(({ inferenceStats }) => inferenceStats[part].ns);
  const successes = count("success");
  if (successes <= 0) return undefined;
  const us = (part: Part) => totalNs(part) / successes / 1_000;
  const [requestUs, queueUs, cacheHitUs] = [us("success"), us("queue"), us("cacheHit")];
  const [computeInputUs, computeInferUs, computeOutputUs] = [us("computeInput"), us("computeInfer"), us("computeOutput")];
  return {
    inferences: counted(({ inferenceCount }) => inferenceCount),
    executions: counted(({ executionCount }) => executionCount),
    successes,
    cacheHits: count("cacheHit"),
    requestUs,
    queueUs,
    computeInputUs,
    computeInferUs,
    computeOutputUs,
    overheadUs: Math.max(0, requestUs - queueUs - computeInputUs - computeInferUs - computeOutputUs - cacheHitUs),
  };
}

const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n);
