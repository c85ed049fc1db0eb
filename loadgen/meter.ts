/** Counts what a load's requests come to, window by window. */

/** Of one answer that came in parts, milliseconds. */
export interface TextTimes {
  readonly firstTokenMs: number;
  /** Between two tokens; undefined for an answer of one. */
  readonly interTokenMs: number | undefined;
  readonly tokens: number;
}

export interface RequestRecord {
  /** Of the load's clock. */
  readonly sentMs: number;
  readonly responsesMs: readonly number[];
}

/** What ended between two moments. */
export interface Window {
  readonly durationMs: number;
  /** Of answered requests, milliseconds. */
  readonly latenciesMs: readonly number[];
  /** How much later than intended each was sent, milliseconds; all 0 in a closed loop. */
  readonly lagsMs: readonly number[];
  readonly texts: readonly TextTimes[];
  readonly failures: number;
  /** The first failure's words. */
  readonly failure: string | undefined;
  /** Empty unless they are kept. */
  readonly records: readonly RequestRecord[];
}

export interface MeterOptions {
  /** Whether each request's times are kept: for a profile. */
  readonly records: boolean;
}

export class Meter {
  readonly #options: MeterOptions;
  #fromMs: number;
  #latencies: number[] = [];
  #lags: number[] = [];
  #texts: TextTimes[] = [];
  #records: RequestRecord[] = [];
  #failures = 0;
  #failure: string | undefined;
  /** Requests that ended since the beginning. */
  ended = 0;

  constructor(nowMs: number, options: MeterOptions) {
    this.#fromMs = nowMs;
    this.#options = options;
  }

  answered(latencyMs: number, lagMs: number): void {
    this.ended++;
    this.#latencies.push(latencyMs);
    this.#lags.push(lagMs);
  }

  text(times: TextTimes): void {
    this.#texts.push(times);
  }

  record(sentMs: number, responsesMs: readonly number[]): void {
    if (this.#options.records) this.#records.push({ sentMs, responsesMs });
  }

  failed(why: string): void {
    this.ended++;
    this.#failures++;
    this.#failure ??= why;
  }

  /** What ended since the last cut. */
  cut(nowMs: number): Window {
    const window = {
      durationMs: nowMs - this.#fromMs,
      latenciesMs: this.#latencies,
      lagsMs: this.#lags,
      texts: this.#texts,
      failures: this.#failures,
      failure: this.#failure,
      records: this.#records,
    };
    this.#fromMs = nowMs;
    [this.#latencies, this.#lags, this.#texts, this.#records] = [[], [], [], []];
    this.#failures = 0;
    this.#failure = undefined;
    return window;
  }
}

/** Windows one after the other as one. */
export function joinWindows(windows: readonly Window[]): Window {
  return {
    durationMs: windows.reduce((sum, { durationMs }) => sum + durationMs, 0),
    latenciesMs: windows.flatMap(({ latenciesMs }) => latenciesMs),
    lagsMs: windows.flatMap(({ lagsMs }) => lagsMs),
    texts: windows.flatMap(({ texts }) => texts),
    failures: windows.reduce((sum, { failures }) => sum + failures, 0),
    failure: windows.find(({ failure }) => failure !== undefined)?.failure,
    records: windows.flatMap(({ records }) => records),
  };
}
