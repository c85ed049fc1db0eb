/** The sequence batcher once more, as plainly as can be: lists that are searched, nothing remembered that can be found out. */
import type { SequenceOptions } from "../../../../node-agent/scheduling/sequence-options.ts";
import type { NamedStep } from "./sequence-items.ts";

interface Line {
  readonly key: string;
  waiting: NamedStep[];
  running: NamedStep | undefined;
  open: boolean;
  /** Number of its place; -1: in the backlog. */
  place: number;
  changedMs: number;
  readyMs: number;
  /** Orders requests that became ready in the same millisecond. */
  ready: number;
  /** Orders what was done in the same millisecond. */
  done: number;
  dueMs: number;
  over: boolean;
}

export class ReferenceSequences {
  readonly #options: SequenceOptions;
  readonly #places: number;
  /** By arrival; those in the backlog in its order. */
  #lines: Line[] = [];
  #turn = 0;
  expired: string[] = [];
  gone: string[] = [];

  constructor(options: SequenceOptions) {
    this.#options = options;
    const { strategy, instances, maxBatchSize } = options;
    this.#places = instances * (strategy.kind === "direct" ? Math.max(1, maxBatchSize) : strategy.maxCandidateSequences);
  }

  /** @returns whether it is taken in */
  offer(item: NamedStep, nowMs: number): boolean {
    let line = this.#lines.find(({ key, over }) => key === item.key && !over);
    if (!item.start && line?.open !== true) return false;
    if (line === undefined) {
      const { key } = item;
      line = {
        key,
        waiting: [],
        running: undefined,
        open: true,
        place: -1,
        changedMs: 0,
        readyMs: 0,
        ready: 0,
        done: 0,
        dueMs: Infinity,
        over: false,
      };
      this.#lines.push(line);
    }
    const wasHead = line.waiting.length === 0 && line.running === undefined;
    line.waiting.push(item);
    line.open = !item.end;
    line.changedMs = nowMs;
    if (line.place < 0 && item.timeoutUs > 0) line.dueMs = Math.min(line.dueMs, nowMs + item.timeoutUs / 1000);
    if (line.place >= 0 && wasHead) this.#becameReady(line, nowMs);
    this.#fill(nowMs);
    return true;
  }

  /** @returns by row, what runs on the instance; undefined: nothing */
  next(instance: number, nowMs: number): readonly (NamedStep | undefined)[] | undefined {
    this.pass(nowMs);
    const { strategy, instances, maxBatchSize } = this.#options;
    const here = this.#lines.filter(({ place }) => place >= 0 && place % instances === instance);
    const ready = here
      .filter(({ running, waiting, over }) => !over && running === undefined && waiting.length > 0)
      .toSorted((a, b) => a.readyMs - b.readyMs || (strategy.kind === "direct" ? a.place - b.place : a.ready - b.ready));
    const [first] = ready;
    if (first === undefined) return undefined;
    const form = first.waiting[0]?.form;
    let rows: (Line | undefined)[];
    if (strategy.kind === "direct") {
      const enough = ready.length >= strategy.minimumSlotUtilization * Math.max(1, maxBatchSize);
      if (!enough && nowMs < first.readyMs + strategy.maxQueueDelayUs / 1000) return undefined;
      const highest = Math.max(...here.map(({ place }) => Math.floor(place / instances)));
      rows = Array.from({ length: highest + 1 }, (_, row) =>
        ready.find(({ place, waiting }) => Math.floor(place / instances) === row && waiting[0]?.form === form),
      );
    } else {
      const misfit = ready.findIndex(({ waiting }) => waiting[0]?.form !== form);
      rows = ready.slice(0, Math.min(misfit < 0 ? ready.length : misfit, Math.max(1, maxBatchSize)));
    }
    return rows.map((line) => {
      if (line === undefined) return undefined;
      line.running = line.waiting.shift();
      return line.running;
    });
  }

  done(item: NamedStep, nowMs: number): void {
    const line = this.#lines.find(({ running }) => running === item);
    if (line === undefined) throw new Error("only what runs is done");
    line.running = undefined;
    line.changedMs = nowMs;
    this.#turn += 1;
    line.done = this.#turn;
    if (line.over || item.end) {
      line.place = -1;
      this.#lines = this.#lines.filter((other) => other !== line);
      if (!line.over && line.waiting.length > 0) this.#lines.push(line); // behind all others
    } else if (line.waiting.length > 0) this.#becameReady(line, nowMs);
    this.#fill(nowMs);
  }

  cancel(item: NamedStep, nowMs: number): readonly NamedStep[] {
    const line = this.#lines.find(({ waiting }) => waiting.includes(item));
    if (line === undefined) return [];
    const others = line.waiting.filter((other) => other !== item);
    this.#drop(line, nowMs);
    return others;
  }

  /** Idle sequences end, and those whose time in the backlog is over. */
  pass(nowMs: number): void {
    for (;;) {
      const [longest] = this.#lines
        .filter(({ place, running, waiting, over }) => !over && place >= 0 && running === undefined && waiting.length === 0)
        .toSorted((a, b) => a.changedMs - b.changedMs || a.done - b.done);
      if (longest === undefined || longest.changedMs + this.#options.idleUs / 1000 > nowMs) break;
      this.#drop(longest, nowMs);
    }
    for (const line of this.#lines.filter(({ place, dueMs, over }) => !over && place < 0 && dueMs <= nowMs)) {
      this.expired.push(...line.waiting.map(({ name }) => name));
      this.#drop(line, nowMs);
    }
  }

  #drop(line: Line, nowMs: number): void {
    line.waiting = [];
    line.over = true;
    this.gone.push(line.key);
    if (line.running === undefined) this.#lines = this.#lines.filter((other) => other !== line);
    this.#fill(nowMs);
  }

  #becameReady(line: Line, nowMs: number): void {
    line.readyMs = nowMs;
    this.#turn += 1;
    line.ready = this.#turn;
  }

  #fill(nowMs: number): void {
    for (const line of this.#lines) {
      if (line.place >= 0 || line.over) continue;
      const taken = new Set(this.#lines.map(({ place }) => place));
      const free = Array.from({ length: this.#places }, (_, place) => place).find((place) => !taken.has(place));
      if (free === undefined) return;
      line.place = free;
      line.dueMs = Infinity;
      if (line.waiting.length > 0) this.#becameReady(line, nowMs);
    }
  }
}
