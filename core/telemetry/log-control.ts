/** What is logged now: can be changed while a program runs, for all loggers that share it. */

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Each level by itself, as Triton switches them. */
export interface LogSwitches {
  readonly debug: boolean;
  readonly info: boolean;
  readonly warn: boolean;
  readonly error: boolean;
  /** Times as ISO 8601, with the date. */
  readonly isoTimes: boolean;
}

export class LogControl {
  #switches: LogSwitches;

  /** @param level this one and all above it are on */
  constructor(level: LogLevel) {
    const lowest = LOG_LEVELS.indexOf(level);
    const isOn = (other: LogLevel) => LOG_LEVELS.indexOf(other) >= lowest;
    this.#switches = { debug: isOn("debug"), info: isOn("info"), warn: isOn("warn"), error: isOn("error"), isoTimes: false };
  }

  get switches(): LogSwitches {
    return this.#switches;
  }

  change(switches: Partial<LogSwitches>): void {
    this.#switches = { ...this.#switches, ...switches };
  }
}
