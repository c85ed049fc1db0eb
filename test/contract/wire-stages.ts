/** Stages to try wires on: scripted ones in memory, and scripted ones behind real sockets. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { ReplicaId } from "../../core/ids.ts";
import type { MutualTls } from "../../core/mutual-tls.ts";
import type { ConnectShard } from "../../core/wire/runner-handle.ts";
import { socketWire } from "../../core/wire/socket.ts";
import { Stage } from "../../core/wire/stage.ts";
import type { StageOutput, StageWork } from "../../core/wire/stage-link.ts";
import type { Step } from "../../core/wire/step.ts";
import { checkActivations } from "../../core/wire/step-check.ts";
import type { Wire } from "../../core/wire/wire.ts";
import { ScriptedRunners } from "../support/scripted/scripted-runners.ts";
import { SCRIPTED_VOCAB_SIZE, ScriptedStage } from "../support/scripted/scripted-stage.ts";

export interface StageControl {
  readonly address: string;
  connect(to: ConnectShard, signal: AbortSignal): Promise<void>;
  /** Without a word. */
  kill(): void;
}

export interface StageOptions {
  readonly replica: ReplicaId;
  readonly slots: number;
  readonly contextLength: number;
  readonly stage: number;
  readonly stages: number;
}

/** A wire and the place where its stages live. */
export interface WireWorld extends AsyncDisposable {
  readonly wire: Wire;
  stage(options: StageOptions): Promise<StageControl>;
}

const NEVER = new AbortController().signal;

export async function scriptedWorld(): Promise<WireWorld> {
  const hub = new ScriptedRunners({ clock: systemClock });
  const wire = hub.openWire();
  return {
    wire,
    async stage({ replica, slots, contextLength }) {
      const runner = hub.start();
      const { address } = await runner.open({ folder: "/scripted", replica, slots, contextLength, threads: 1 }, NEVER);
      return { address, connect: (to, signal) => runner.connect(to, signal), kill: () => runner.kill() };
    },
    [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose](),
  };
}

/** @param listen an address of the wire, such as `tcp:127.0.0.1:0`; a unix socket unless said */
export async function socketWorld(listen?: string, tls?: MutualTls): Promise<WireWorld> {
  const wire = await socketWire(listen === undefined ? {} : { listen, tls });
  const folder = await mkdtemp(path.join(tmpdir(), "nereid-"));
  const stages: Stage[] = [];
  let sockets = 0;
  return {
    wire,
    async stage(options) {
      const own = listen ?? `unix:${path.join(folder, String(sockets++))}`;
      const work = new ScriptedWork(options);
      const stage = await Stage.open({ replica: options.replica, listen: own, work, clock: systemClock, payloadBytesMax: 2 ** 24, tls });
      stages.push(stage);
      return {
        address: stage.address,
        connect: (to, signal) => stage.connect(to, signal),
        kill: () => stage[Symbol.asyncDispose](),
      };
    },
    async [Symbol.asyncDispose]() {
      await wire[Symbol.asyncDispose]();
      for (const stage of stages) await stage[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Floats per row: enough that a long prefill is more than a socket takes at once. */
const HIDDEN_SIZE = 64;

/** A scripted stage that passes activations on: each row holds its token and its stage, and the next stage checks both. */
class ScriptedWork implements StageWork {
  readonly #options: StageOptions;
  #stage: ScriptedStage;

  constructor(options: StageOptions) {
    this.#options = options;
    this.#stage = this.#empty();
  }

  reset(): void {
    this.#stage = this.#empty();
  }

  run(step: Step, activations: Uint8Array): StageOutput {
    const { stage, stages } = this.#options;
    if (stage > 0) this.#check(step, activations);
    const tokens = this.#stage.run(step);
    if (stage === stages - 1) return { kind: "tokens", tokens };
    const rows = tokensOf(step).flatMap((token) => Array.from({ length: HIDDEN_SIZE }, () => token));
    const parts = [Float32Array.from(rows), new Float32Array(rows.length).fill(stage)];
    return { kind: "activations", parts: parts.map((floats) => new Uint8Array(floats.buffer)) };
  }

  #check(step: Step, activations: Uint8Array): void {
    checkActivations(step.run, HIDDEN_SIZE, activations.byteLength);
    const floats = new Float32Array(new Uint8Array(activations).buffer);
    const tokens = tokensOf(step);
    const half = floats.length / 2;
    const right = floats.every((float, at) => float === (at < half ? tokens[Math.floor(at / HIDDEN_SIZE)] : this.#options.stage - 1));
    if (!right) throw new ServingError("DATA_LOSS", `activations of step ${step.step} are not the previous stage's`);
  }

  #empty(): ScriptedStage {
    return new ScriptedStage({ ...this.#options, vocabSize: SCRIPTED_VOCAB_SIZE });
  }
}

function tokensOf({ run }: Step): readonly number[] {
  switch (run.kind) {
    case "prefill":
    case "replay":
      return [...run.tokens];
    case "decode":
      return run.rows.map(({ token }) => token);
    case "none":
      return [];
  }
}
