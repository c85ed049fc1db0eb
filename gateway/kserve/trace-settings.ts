/** The trace settings, global and of single models, as the trace extension shows and changes them, and which requests they take. */
import { ServingError } from "../../core/errors.ts";
import { TRACE_VIEW, type TraceLevel, type TraceView } from "../../core/telemetry/trace-config.ts";
import { invalid } from "./triton-error.ts";

type TraceOverrides = Partial<Pick<TraceView, "levels" | "rate" | "count" | "logFrequency">>;

/** Requests that were looked at, and that were traced since the count was set. */
interface Tally {
  seen: number;
  taken: number;
}

/** What a client asks for, in its own words; what is not named stays. */
export interface TraceChange {
  readonly levels?: readonly string[];
  readonly rate?: string;
  readonly count?: string;
  readonly logFrequency?: string;
  /** A model's value becomes the global one again, a global one the initial one. */
  readonly cleared?: readonly (keyof TraceOverrides)[];
}

const MODELS_MAX = 10_000;
const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;

export class TraceSettings {
  readonly #initial: TraceView;
  #global: TraceOverrides = {};
  readonly #models = new Map<string, TraceOverrides>();
  /** Of the global settings, and of models with settings of their own. */
  readonly #tallies = new Map<string | undefined, Tally>();

  /** No settings have a level: looked at for each request. */
  #areAllOff: boolean;

  constructor(initial: TraceView = TRACE_VIEW) {
    this.#initial = initial;
    this.#areAllOff = initial.levels.length === 0;
  }

  /** @param model undefined: the global ones */
  view(model: string | undefined): TraceView {
    const all = { ...this.#initial, ...this.#global, ...(model !== undefined && this.#models.get(model)) };
    const taken = this.#tallies.get(this.#scope(model))?.taken ?? 0;
    return all.count === -1 ? all : { ...all, count: Math.max(0, all.count - taken) };
  }

  /** Nothing is traced, whatever it is. */
  get areOff(): boolean {
    return this.#areAllOff;
  }

  /**
   * Counts a request. @returns whether it is traced: every so many-th one until the count is used up, and in mode `opentelemetry`
   * each that its client traces
   */
  takes(model: string | undefined, isTracedByClient: boolean): boolean {
    if (this.#areAllOff) return false;
    const scope = this.#scope(model);
    const { levels, rate, count, mode } = this.view(model);
    if (levels.length === 0) return false;
    if (isTracedByClient && mode === "opentelemetry") return true;
    if (rate === 0 || count === 0) return false;
    let tally = this.#tallies.get(scope);
    if (tally === undefined) {
      tally = { seen: 0, taken: 0 };
      this.#tallies.set(scope, tally);
    }
    tally.seen += 1;
    if (tally.seen % rate !== 0) return false;
    tally.taken += 1;
    return true;
  }

  #scope(model: string | undefined): string | undefined {
    return model !== undefined && this.#models.has(model) ? model : undefined;
  }

  /** @throws ServingError INVALID_ARGUMENT with Triton's text, UNIMPLEMENTED in mode `opentelemetry`; nothing is changed then */
  update(model: string | undefined, change: TraceChange): void {
    if (this.#initial.mode === "opentelemetry") {
      throw new ServingError("UNIMPLEMENTED", "trace settings can not be updated through network protocol in mode 'opentelemetry'");
    }
    const before = model === undefined ? this.#global : (this.#models.get(model) ?? {});
    const after = changed(before, change);
    if (change.count !== undefined || change.cleared?.includes("count") === true) this.#tallies.delete(model);
    if (model === undefined) this.#global = after;
    else this.#setModel(model, after);
    this.#areAllOff = [undefined, ...this.#models.keys()].every((scope) => this.view(scope).levels.length === 0);
  }

  #setModel(model: string, after: TraceOverrides): void {
    if (this.#models.size >= MODELS_MAX && !this.#models.has(model)) {
      throw new ServingError("RESOURCE_EXHAUSTED", `${MODELS_MAX} models have trace settings of their own: clear some`);
    }
    if (Object.keys(after).length === 0) this.#models.delete(model);
    else this.#models.set(model, after);
  }
}

/** The settings as the extension names and writes them, in Triton's order. */
export function traceFields({ levels, rate, count, logFrequency, file, mode }: TraceView) {
  return {
    trace_level: levels.length === 0 ? ["OFF"] : levels,
    trace_rate: String(rate),
    trace_count: String(count),
    ...(mode === "triton" && { log_frequency: String(logFrequency), trace_file: file }),
    trace_mode: mode,
  } as const;
}

function changed(before: TraceOverrides, change: TraceChange): TraceOverrides {
  const kept = Object.fromEntries(Object.entries(before).filter(([name]) => !change.cleared?.some((cleared) => cleared === name)));
  const levels = change.levels === undefined ? undefined : levelsOf(change.levels);
  const rate = wholeNumber("trace_rate", change.rate, { min: 0, max: UINT32_MAX });
  const count = wholeNumber("trace_count", change.count, { min: -1, max: INT32_MAX });
  const logFrequency = wholeNumber("log_frequency", change.logFrequency, { min: 0, max: UINT32_MAX });
  return {
    ...kept,
    ...(levels !== undefined && { levels }),
    ...(rate !== undefined && { rate }),
    ...(count !== undefined && { count }),
    ...(logFrequency !== undefined && { logFrequency }),
  };
}

/** Names that Triton does not know are passed over, as it does; with none that it knows, nothing changes. */
function levelsOf(names: readonly string[]): readonly TraceLevel[] | undefined {
  if (names.includes("OFF")) {
    if (names.length > 1) throw invalid("Expect only one trace level 'OFF' is specified");
    return [];
  }
  const known = (["TIMESTAMPS", "TENSORS"] as const).filter((level) => names.includes(level));
  return known.length === 0 ? undefined : known;
}

function wholeNumber(name: string, text: string | undefined, range: { readonly min: number; readonly max: number }): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\s*[+-]?\d/.test(text)) throw invalid(`Unable to parse '${name}', got: ${text}`);
  const value = Number.parseInt(text, 10);
  if (value >= range.min && value <= range.max) return value;
  if (range.min < 0 && value < range.min) throw invalid(`Unable to parse '${name}'. Expecting value >= ${range.min}, got:${text}`);
  throw invalid(`Unable to parse '${name}', value is out of range [ ${range.min}, ${range.max} ], got: ${text}`);
}
