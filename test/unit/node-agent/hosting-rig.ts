/** What an agent's parts stand on in tests: a clock that stands still, scripted runners, a cutter in memory, and what was logged. */
import { ServingError } from "../../../core/errors.ts";
import { generationId } from "../../../core/ids.ts";
import type { ConnectReplica, LoadShard } from "../../../core/messages/control.ts";
import type { ChoiceToken, GenerationSubmit } from "../../../core/messages/generation.ts";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { GenerationSink } from "../../../node-agent/engines/generation-sink.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import type { ScriptedRunner } from "../../support/scripted/scripted-runner.ts";
import { ScriptedRunners } from "../../support/scripted/scripted-runners.ts";
import { MemoryCutter, type MemoryCutterOptions } from "./models/memory-cutter.ts";

export const REPLICA = "tiny/1/0";

export function loadShard(changes: Partial<LoadShard> = {}): LoadShard {
  return {
    kind: "load",
    replica: REPLICA,
    model: "tiny",
    version: "1",
    stage: 0,
    stages: 1,
    quantization: "auto",
    slots: 4,
    contextLength: 200,
    threads: 1,
    ...changes,
  };
}

export function generationOf(changes: Partial<GenerationSubmit> = {}): GenerationSubmit {
  return {
    kind: "generate",
    generation: generationId("g"),
    replica: REPLICA,
    tenant: "public",
    remainingMs: undefined,
    traceparent: "",
    promptIds: Int32Array.of(3, 1, 4, 1, 5),
    choices: 1,
    tokensMax: 6,
    stopIds: [],
    sampling: GREEDY,
    begun: [],
    ...changes,
  };
}

export class LogBook {
  /** `level message: error`, in order. */
  readonly lines: string[] = [];
  readonly logger: Logger;

  constructor() {
    const write = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
      const { err } = fields;
      this.lines.push(`${level} ${message}${err instanceof Error ? `: ${err.message}` : ""}`);
    };
    this.logger = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error"), child: () => this.logger };
  }
}

/** Takes a generation's events as text. */
export class EventLog implements GenerationSink {
  readonly events: string[] = [];
  readonly ids: number[] = [];
  error: ServingError | undefined;

  tokens(tokens: readonly ChoiceToken[]): void {
    for (const { choice, position, id } of tokens) {
      this.events.push(`token ${choice}.${position}`);
      this.ids.push(id);
    }
  }

  finished(choice: number, reason: string): void {
    this.events.push(`finished ${choice} ${reason}`);
  }

  failed(error: ServingError): void {
    this.error = error;
    this.events.push(`failed ${error.code}`);
  }
}

export interface HostingOptions extends MemoryCutterOptions {
  /** Milliseconds that a step takes in each stage. */
  readonly stepMs?: number;
  readonly openMs?: number;
  readonly decodeRowsMin?: number;
}

export class HostingRig {
  readonly clock = new FakeClock();
  /** Of each stage from now on. */
  stepMs: number;
  readonly log = new LogBook();
  readonly hub: ScriptedRunners;
  readonly cutter: MemoryCutter;
  freeBytes = 2 ** 34;

  constructor(options: HostingOptions = {}) {
    const { stepMs = 10, openMs = 0, decodeRowsMin = 1 } = options;
    this.stepMs = stepMs;
    this.cutter = new MemoryCutter(options);
    this.hub = new ScriptedRunners({ clock: this.clock, openMs, decodeRowsMin, runMs: () => this.stepMs });
  }

  get memory() {
    return () => ({ totalBytes: 2 ** 34, freeBytes: this.freeBytes });
  }

  /** The runners that live, in the order of their start. */
  get alive(): readonly ScriptedRunner[] {
    return this.hub.runners.filter(({ alive }) => alive);
  }

  /** The runner that was started last. */
  get runner(): ScriptedRunner {
    const runner = this.hub.runners.at(-1);
    if (runner === undefined) throw new ServingError("NOT_FOUND", "no runner was started");
    return runner;
  }

  /** Joins the runners of these numbers, in the order of their stages. */
  connect(epoch: number, lead: string, runners: readonly number[] = [0]): ConnectReplica {
    const stages = runners.map((number) => ({ runner: `scripted-${number}`, address: `unix:scripted/stage-${number}` }));
    return { kind: "connect", replica: REPLICA, epoch, stages, lead };
  }
}
