/**
 * Wire and runners in memory, for simulations and tests: one hub holds scripted stages, hands them out as runners and joins them
 * to wires. Steps pass as encoded bytes and are delivered on a later turn of the clock; a stage runs one step at a time. On
 * command a runner fails, stalls or dies.
 */
import type { Clock } from "../../../core/clock.ts";
import type { OpenShard, RunnerFactory } from "../../../core/wire/runner-handle.ts";
import type { Step } from "../../../core/wire/step.ts";
import type { Wire } from "../../../core/wire/wire.ts";
import type { ScriptedEnd, ScriptedHub } from "./scripted-hub.ts";
import { ScriptedRunner } from "./scripted-runner.ts";
import { SCRIPTED_VOCAB_SIZE } from "./scripted-stage.ts";
import { ScriptedWire } from "./scripted-wire.ts";

export interface ScriptedOptions {
  readonly clock: Clock;
  /** SCRIPTED_VOCAB_SIZE unless said. */
  readonly vocabSize?: number;
  /** Milliseconds that a stage takes for a step; none unless said. */
  readonly runMs?: (step: Step, shard: OpenShard) => number;
  /** Milliseconds that opening a shard takes; none unless said. */
  readonly openMs?: number;
  /** What opened runners report; 1 unless said. */
  readonly decodeRowsMin?: number;
}

/** The runners of one simulated host or cluster, and its wires. */
export class ScriptedRunners implements RunnerFactory {
  /** All that were ever started, dead ones too, in order. */
  readonly runners: ScriptedRunner[] = [];
  /** Rules that leads broke, in order: a correct lead leaves it empty. */
  readonly violations: string[] = [];
  readonly #hub: ScriptedHub;
  readonly #ends = new Map<string, ScriptedEnd>();
  #wires = 0;

  constructor(options: ScriptedOptions) {
    this.#hub = {
      clock: options.clock,
      vocabSize: options.vocabSize ?? SCRIPTED_VOCAB_SIZE,
      openMs: options.openMs ?? 0,
      decodeRowsMin: options.decodeRowsMin ?? 1,
      runMs: options.runMs ?? (() => 0),
      find: (address) => this.#ends.get(address),
      register: (address, end) => this.#ends.set(address, end),
      unregister: (address) => this.#ends.delete(address),
      violated: (message) => this.violations.push(message),
    };
  }

  start(): ScriptedRunner {
    const runner = new ScriptedRunner(this.#hub, this.runners.length);
    this.runners.push(runner);
    return runner;
  }

  openWire(): Wire {
    return new ScriptedWire(this.#hub, `unix:scripted/wire-${this.#wires++}`);
  }
}
