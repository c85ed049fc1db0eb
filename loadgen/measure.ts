/** Measures one level of load: warms up, then windows until they agree. */
import type { ModelStatistics } from "../client/answers.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { type Distribution, gapsOf, givenGaps } from "./arrivals.ts";
import type { Target } from "./channel.ts";
import { ClosedLoop } from "./closed-loop.ts";
import { latenciesOf } from "./latencies.ts";
import type { Load } from "./load.ts";
import { joinWindows, Meter, type Window } from "./meter.ts";
import { OpenLoop } from "./open-loop.ts";
import type { RequestOrder } from "./request-order.ts";
import { type ServerTimes, serverTimes } from "./server-times.ts";
import { isStable, STABLE_WINDOWS, type WindowFigures } from "./stability.ts";

/** So many requests under way, or so many a second. */
export interface Level {
  readonly kind: "concurrency" | "request-rate";
  readonly value: number;
}

export interface MeasureOptions {
  readonly windowMs: number;
  /** Windows of so many requests instead of so much time; 0: of time. */
  readonly windowRequests: number;
  /** 1: that window is the measurement. */
  readonly trialsMax: number;
  readonly stabilityPercent: number;
  /** The latency that must be stable; undefined: the average. */
  readonly percentile: number | undefined;
  readonly warmUpRequests: number;
  readonly distribution: Distribution;
  /** Of an open loop, instead of the distribution: from one request to the next, over and over. */
  readonly gapsMs?: readonly number[] | undefined;
  /** Of an open loop: requests that may be under way at once. */
  readonly channelsMax: number;
  readonly batchSize: number;
  /** Whether each request's times are kept. */
  readonly records: boolean;
}

export interface MeasureDeps {
  readonly target: Target;
  readonly order: RequestOrder;
  /** undefined: the server keeps none. */
  readonly statistics: (() => Promise<readonly ModelStatistics[]>) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** A window is over. */
  readonly heard: (figures: WindowFigures, failures: number) => void;
}

export interface Measurement {
  readonly level: Level;
  readonly window: Window;
  /** Inferences a second. */
  readonly perSecond: number;
  readonly server: ServerTimes | undefined;
  readonly isStable: boolean;
}

const LOOK_MS = 2;

/** @throws ServingError UNAVAILABLE when nobody answers, or nothing but failures came; the signal's reason */
export async function measure(level: Level, options: MeasureOptions, deps: MeasureDeps, signal: AbortSignal): Promise<Measurement> {
  const { target, clock } = deps;
  const meter = new Meter(clock.now(), { records: options.records });
  const count = clientsOf(level, options);
  const channels = [];
  for (let channel = 0; channel < count; channel++) channels.push(await target.open(signal));
  const load = newLoad(level, options, { ...deps, meter, channels });
  load.start();
  try {
    await untilEnded(meter, options.warmUpRequests, clock, signal);
    return await measureWindows(level, options, { ...deps, meter }, signal);
  } finally {
    await load.stop();
  }
}

export const clientsOf = ({ kind, value }: Level, { channelsMax }: Pick<MeasureOptions, "channelsMax">): number =>
  kind === "concurrency" ? value : channelsMax;

function newLoad(
  { kind, value }: Level,
  { distribution, gapsMs }: MeasureOptions,
  { channels, meter, clock, random, order }: MeasureDeps & Pick<ConstructorParameters<typeof ClosedLoop>[0], "channels" | "meter">,
): Load {
  const options = { channels, meter, clock, order };
  if (kind === "concurrency") return new ClosedLoop(options);
  return new OpenLoop(options, gapsMs === undefined ? gapsOf(distribution, value, () => random.next()) : givenGaps(gapsMs));
}

async function measureWindows(
  level: Level,
  options: MeasureOptions,
  { meter, clock, statistics, heard }: MeasureDeps & { readonly meter: Meter },
  signal: AbortSignal,
): Promise<Measurement> {
  const windows: Window[] = [];
  const figures: WindowFigures[] = [];
  const looks = [(await statistics?.()) ?? []];
  meter.cut(clock.now());
  let stable = false;
  while (!stable && windows.length < options.trialsMax) {
    if (options.windowRequests > 0) await untilEnded(meter, options.windowRequests, clock, signal);
    else await sleep(clock, options.windowMs, signal);
    const window = meter.cut(clock.now());
    looks.push((await statistics?.()) ?? []);
    const one = windowFigures(window, options);
    windows.push(window);
    figures.push(one);
    heard(one, window.failures);
    stable = isStable(figures, options.stabilityPercent);
  }
  // Without three that agree: all that there is.
  const used = stable ? STABLE_WINDOWS : windows.length;
  const window = joinWindows(windows.slice(-used));
  if (window.latenciesMs.length === 0) {
    throw new ServingError(
      "UNAVAILABLE",
      `no request was answered at ${level.kind} ${level.value}: ${window.failure ?? "none ended in time"}`,
    );
  }
  const server = serverTimes(looks.at(-1 - used) ?? [], looks.at(-1) ?? []);
  return { level, window, perSecond: windowFigures(window, options).perSecond, server, isStable: stable || options.trialsMax === 1 };
}

function windowFigures({ latenciesMs, durationMs }: Window, { percentile, batchSize }: MeasureOptions): WindowFigures {
  const latencies = latenciesOf(latenciesMs);
  const latencyMs = percentile === undefined ? latencies.averageMs : latencies.percentileMs(percentile);
  return { perSecond: (latencies.count * batchSize * 1_000) / durationMs, latencyMs };
}

/** @throws the signal's reason */
async function untilEnded(meter: Meter, requests: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const goal = meter.ended + requests;
  while (meter.ended < goal) await sleep(clock, LOOK_MS, signal);
}
