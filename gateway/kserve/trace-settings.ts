/** The trace settings, global and of single models, as the trace extension shows and changes them. Kept in memory. */
import { ServingError } from "../../core/errors.ts";
import { invalid } from "./triton-error.ts";

export type TraceLevel = "TIMESTAMPS" | "TENSORS";

export interface TraceView {
  /** Empty: off. */
  readonly levels: readonly TraceLevel[];
  readonly rate: number;
  /** Traces left; -1: no limit. */
  readonly count: number;
  readonly logFrequency: number;
  readonly file: string;
  readonly mode: "triton" | "opentelemetry";
}

type TraceOverrides = Partial<Pick<TraceView, "levels" | "rate" | "count" | "logFrequency">>;

/** What a client asks for, in its own words; what is not named stays. */
export interface TraceChange {
  readonly levels?: readonly string[];
  readonly rate?: string;
  readonly count?: string;
  readonly logFrequency?: string;
  /** A model's value becomes the global one again, a global one the initial one. */
  readonly cleared?: readonly (keyof TraceOverrides)[];
}

const INITIAL: TraceView = { levels: [], rate: 1_000, count: -1, logFrequency: 0, file: "", mode: "triton" };
const MODELS_MAX = 10_000;
const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;

export class TraceSettings {
  readonly #initial: TraceView;
  #global: TraceOverrides = {};
  readonly #models = new Map<string, TraceOverrides>();

  constructor(initial: TraceView = INITIAL) {
    this.#initial = initial;
  }

  /** @param model undefined: the global ones */
  view(model: string | undefined): TraceView {
    return { ...this.#initial, ...this.#global, ...(model !== undefined && this.#models.get(model)) };
  }

  /** @throws ServingError INVALID_ARGUMENT with Triton's text; nothing is changed then */
  update(model: string | undefined, change: TraceChange): void {
    const before = model === undefined ? this.#global : (this.#models.get(model) ?? {});
    const after = changed(before, change);
    if (model === undefined) {
      this.#global = after;
      return;
    }
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
    log_frequency: String(logFrequency),
    trace_file: file,
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
