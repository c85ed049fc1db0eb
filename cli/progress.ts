/** Progress for people: a bar that redraws itself on a terminal, plain lines elsewhere. */
import pc from "picocolors";
import type { Clock } from "../core/clock.ts";

/** Where progress is drawn: the terminal's or a file's standard output, or a test's. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** `total` undefined: it is not known how long it takes. */
interface What {
  readonly label: string;
  readonly total: Total | undefined;
}

/** `unit` says how people read the amount; without one only the percentage is shown. */
export interface Total {
  readonly amount: number;
  readonly unit?: "bytes";
}

/** Something that takes its time. */
export interface Progress extends Disposable {
  update(done: number): void;
  /** What is going on now, beside the label; plain output has a line for each new one. */
  note(text: string): void;
  /** Ends with a line that stays. */
  finish(note: string): void;
}

const REDRAW_MS = 100;
const LINE_EVERY_PERCENT = 10;
const LINE_EVERY_MS = 15_000;
const BAR_CELLS = 24;
const COLOR_CHARACTERS = 20; // escape sequences take no columns

export function startProgress(output: ProgressOutput, clock: Clock, what: What): Progress {
  return output.isTTY === true ? drawnProgress(output, clock, what) : plainProgress(output, clock, what);
}

function drawnProgress(output: ProgressOutput, clock: Clock, what: What): Progress {
  const startedMs = clock.now();
  let done = 0;
  let noted = "";
  let takeBack = () => {};
  const draw = () => {
    const line = `${progressLine(what, done, clock.now() - startedMs)} ${noted}`;
    output.write(`\r\x1b[2K${line.slice(0, (output.columns || 120) + COLOR_CHARACTERS)}\x1b[0m`);
    takeBack = clock.after(REDRAW_MS, draw);
  };
  draw();
  const close = (line: string) => {
    takeBack();
    output.write(`\r\x1b[2K${line}`);
  };
  let open = true;
  return {
    update: (amount) => {
      done = amount;
    },
    note: (text) => {
      noted = text;
    },
    finish: (note) => {
      open = false;
      close(`${pc.green("✓")} ${what.label}: ${note} (${seconds(clock.now() - startedMs)})\n`);
    },
    [Symbol.dispose]: () => {
      if (open) close("");
    },
  };
}

function plainProgress(output: ProgressOutput, clock: Clock, what: What): Progress {
  const startedMs = clock.now();
  let lastPercent = 0;
  let noted = "";
  let takeBack = () => {};
  const still = () => {
    output.write(`${what.label}: still running after ${seconds(clock.now() - startedMs)}\n`);
    takeBack = clock.after(LINE_EVERY_MS, still);
  };
  output.write(`${what.label} …\n`);
  if (what.total === undefined) takeBack = clock.after(LINE_EVERY_MS, still);
  return {
    update: (done) => {
      if (what.total === undefined) return;
      const percent = Math.floor((100 * done) / what.total.amount);
      if (percent < lastPercent + LINE_EVERY_PERCENT || percent >= 100) return;
      lastPercent = percent - (percent % LINE_EVERY_PERCENT);
      output.write(`${what.label}: ${lastPercent} %\n`);
    },
    note: (text) => {
      if (text !== noted) output.write(`${what.label}: ${text}\n`);
      noted = text;
    },
    finish: (note) => {
      takeBack();
      output.write(`${what.label}: ${note} (${seconds(clock.now() - startedMs)})\n`);
    },
    [Symbol.dispose]: () => takeBack(),
  };
}

/** The line of a bar: `label ███░░ 42 % of 98 MB`, or the seconds that have passed when the total is not known. */
export function progressLine(what: What, done: number, elapsedMs: number): string {
  if (what.total === undefined) return `${pc.cyan("…")} ${what.label} ${pc.dim(seconds(elapsedMs))}`;
  const fraction = Math.min(1, done / Math.max(Number.MIN_VALUE, what.total.amount));
  const full = Math.round(fraction * BAR_CELLS);
  const bar = `${"█".repeat(full)}${"░".repeat(BAR_CELLS - full)}`;
  const of = what.total.unit === "bytes" ? ` of ${megabytes(what.total.amount)}` : "";
  return `${what.label} ${pc.cyan(bar)} ${Math.floor(fraction * 100)} %${of}`;
}

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`;
