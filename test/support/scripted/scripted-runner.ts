/** A scripted stage as a runner: opened, connected, failed and killed on command. Made by `ScriptedRunners` only. */
import { sleep } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { ConnectShard, OpenShard, RunnerExit, RunnerHandle, ShardOpened } from "../../../core/wire/runner-handle.ts";
import { decodeStep, encodeResult } from "../../../core/wire/step-codec.ts";
import type { ScriptedEnd, ScriptedHub, ScriptedMessage, Upstream } from "./scripted-hub.ts";
import { ScriptedStage } from "./scripted-stage.ts";

/** What a connected stage holds; a new one for every epoch. */
interface Link {
  readonly epoch: number;
  readonly next: ScriptedEnd;
  readonly stage: ScriptedStage;
  readonly queue: ScriptedMessage[];
  upstream: Upstream | undefined;
  busy: boolean;
  open: boolean;
}

export class ScriptedRunner implements RunnerHandle, ScriptedEnd {
  readonly kind = "stage";
  readonly incarnation: string;
  readonly pid = undefined;
  readonly exited: Promise<RunnerExit>;
  readonly #hub: ScriptedHub;
  readonly #address: string;
  readonly #exit: (exit: RunnerExit) => void;
  #alive = true;
  #shard: OpenShard | undefined;
  #link: Link | undefined;
  /** An upstream end that speaks of an epoch which is yet to come. */
  #early: Upstream | undefined;
  #openFailure: ServingError | undefined;
  #stepFailure: string | undefined;
  #stallMs = 0;

  constructor(hub: ScriptedHub, number: number) {
    this.#hub = hub;
    this.incarnation = `scripted-${number}`;
    this.#address = `unix:scripted/stage-${number}`;
    const { promise, resolve } = Promise.withResolvers<RunnerExit>();
    this.exited = promise;
    this.#exit = resolve;
  }

  /** What it was told to open. */
  get shard(): OpenShard | undefined {
    return this.#shard;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The next `open` throws this. */
  failOpen(error: ServingError): void {
    this.#openFailure = error;
  }

  /** The next step is refused with this message; undefined takes it back. */
  failStep(message: string | undefined): void {
    this.#stepFailure = message;
  }

  /** The next step takes so much longer. */
  stall(delayMs: number): void {
    this.#stallMs = delayMs;
  }

  async open(shard: OpenShard, signal: AbortSignal): Promise<ShardOpened> {
    await sleep(this.#hub.clock, this.#hub.openMs, signal);
    this.#checkAlive("open");
    if (this.#shard !== undefined) throw new ServingError("FAILED_PRECONDITION", "this runner holds a shard already");
    const failure = this.#openFailure;
    this.#openFailure = undefined;
    if (failure !== undefined) throw failure;
    this.#shard = shard;
    this.#hub.register(this.#address, this);
    const { known = { decodeRowsMin: this.#hub.decodeRowsMin, replaysAtOnce: true } } = shard;
    return { address: this.#address, ...known, residentBytes: 1_000_000 };
  }

  async connect(to: ConnectShard, signal: AbortSignal): Promise<void> {
    await sleep(this.#hub.clock, 0, signal);
    this.#checkAlive("connect");
    const shard = this.#shard;
    if (shard === undefined) throw new ServingError("FAILED_PRECONDITION", "a runner connects after it has opened its shard");
    if (this.#link !== undefined && to.epoch <= this.#link.epoch)
      throw new ServingError("FAILED_PRECONDITION", `epoch ${to.epoch} is not newer than ${this.#link.epoch}`);
    const next = this.#hub.find(to.next);
    if (next === undefined) throw new ServingError("UNAVAILABLE", `nobody listens at ${to.next}`);
    const over = new ServingError("UNAVAILABLE", `epoch ${to.epoch} begins`);
    if (this.#link !== undefined) this.#break(this.#link, over);
    if (this.#early !== undefined && this.#early.epoch < to.epoch) this.#early.broken(over);
    const stage = new ScriptedStage({ slots: shard.slots, contextLength: shard.contextLength, vocabSize: this.#hub.vocabSize });
    const link: Link = { epoch: to.epoch, next, stage, queue: [], upstream: undefined, busy: false, open: true };
    this.#link = link;
    if (this.#early !== undefined && this.#early.epoch <= to.epoch) {
      if (this.#early.epoch === to.epoch) link.upstream = this.#early;
      this.#early = undefined;
    }
    next.hello({
      replica: shard.replica,
      epoch: to.epoch,
      connected: () => link.open,
      broken: (why) => this.#break(link, why),
    });
  }

  hello(from: Upstream): void {
    if (!this.#alive || from.replica !== this.#shard?.replica) return;
    const epoch = this.#link?.epoch ?? -1;
    if (from.epoch > epoch) this.#early = from;
    else if (from.epoch === epoch && this.#link?.open === true) this.#link.upstream = from;
    else this.#hub.clock.after(0, () => from.broken(new ServingError("UNAVAILABLE", `epoch ${from.epoch} is over`)));
  }

  deliver(message: ScriptedMessage): void {
    const link = this.#link;
    if (link?.open !== true || link.epoch !== message.epoch) return;
    link.queue.push(message);
    this.#take(link);
  }

  upstreamGone(epoch: number, why: ServingError): void {
    if (this.#early?.epoch === epoch) this.#early = undefined;
    if (this.#link?.epoch === epoch) this.#break(this.#link, why);
  }

  async close(): Promise<void> {
    this.#end({ code: 0, signal: undefined, lastWords: "" });
    await this.exited;
  }

  kill(): void {
    this.#end({ code: undefined, signal: "SIGKILL", lastWords: "" });
  }

  #take(link: Link): void {
    if (link.busy || !link.open || this.#shard === undefined) return;
    const message = link.queue.shift();
    if (message === undefined) return;
    const failure = this.#stepFailure;
    this.#stepFailure = undefined;
    const { epoch, step: number } = message;
    let bytes: Uint8Array;
    let runMs: number;
    try {
      const step = decodeStep(message.bytes, { epoch, step: number });
      bytes = encodeResult({ epoch, step: number, stageUs: [], tokens: link.stage.run(step) });
      runMs = this.#hub.runMs(step, this.#shard);
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      this.#hub.violated(why);
      this.#break(link, new ServingError("UNAVAILABLE", `a stage refused step ${number}: ${why}`));
      return;
    }
    if (failure !== undefined) {
      this.#break(link, new ServingError("UNAVAILABLE", `a stage failed in step ${number}: ${failure}`));
      return;
    }
    const delayMs = runMs + this.#stallMs;
    this.#stallMs = 0;
    link.busy = true;
    this.#hub.clock.after(delayMs, () => {
      link.busy = false;
      if (!link.open) return;
      link.next.deliver({
        ...message,
        bytes: link.next.kind === "wire" ? bytes : message.bytes,
        stageUs: [...message.stageUs, delayMs * 1000],
      });
      this.#take(link);
    });
  }

  #end(exit: RunnerExit): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#hub.unregister(this.#address);
    const gone = new ServingError("UNAVAILABLE", "a stage is gone");
    if (this.#link !== undefined) this.#break(this.#link, gone);
    this.#early?.broken(gone);
    this.#early = undefined;
    this.#hub.clock.after(0, () => this.#exit(exit));
  }

  /** Nothing passes on this link any more; both neighbors hear of it. */
  #break(link: Link, why: ServingError): void {
    if (!link.open) return;
    link.open = false;
    link.queue.length = 0;
    link.upstream?.broken(why);
    link.next.upstreamGone(link.epoch, why);
  }

  #checkAlive(doing: string): void {
    if (!this.#alive) throw new ServingError("UNAVAILABLE", `the runner is gone and cannot ${doing}`);
  }
}
