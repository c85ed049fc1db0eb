/** The thread behind `BodyParsers`: one job after the other. */
import { parentPort } from "node:worker_threads";
import { assert, type ErrorCode, ServingError, type ServingErrorOptions } from "../../core/errors.ts";
import { giveWay } from "../../core/thread-priority.ts";

export interface ParseJob {
  readonly number: number;
  readonly module: string;
  readonly name: string;
  readonly options: unknown;
  readonly segments: readonly Uint8Array[];
}

export type ParsedBody =
  | { readonly kind: "parsed"; readonly number: number; readonly value: unknown }
  | {
      readonly kind: "refused";
      readonly number: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly options: ServingErrorOptions;
    };

async function run(job: ParseJob): Promise<ParsedBody> {
  try {
    const module: Readonly<Record<string, unknown>> = await import(job.module);
    const parse = module[job.name];
    assert(typeof parse === "function", `${job.module} exports no function ${job.name}`);
    return { kind: "parsed", number: job.number, value: parse(Buffer.concat(job.segments), job.options) };
  } catch (thrown) {
    const { code, message, reason, param } = ServingError.from(thrown);
    const options = { ...(reason !== undefined && { reason }), ...(param !== undefined && { param }) };
    return { kind: "refused", number: job.number, code, message, options };
  }
}

giveWay();
parentPort?.on("message", async (job: ParseJob) => {
  parentPort?.postMessage(await run(job));
});
