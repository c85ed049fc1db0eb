/** The log settings, as the logging extension shows and changes them: what is logged from then on. */
import { ServingError } from "../../core/errors.ts";
import { LogControl } from "../../core/telemetry/log-control.ts";

export interface LogView {
  readonly log_file: string;
  readonly log_info: boolean;
  readonly log_warning: boolean;
  readonly log_error: boolean;
  readonly log_verbose_level: number;
  readonly log_format: string;
}

export type LogChange = Partial<LogView>;

const FORMATS: readonly string[] = ["default", "ISO8601"];

export class LogSettings {
  readonly #control: LogControl;
  /** Its own level above 1 is remembered: here there is one. */
  #verboseLevel: number;

  constructor(control: LogControl = new LogControl("info")) {
    this.#control = control;
    this.#verboseLevel = control.switches.debug ? 1 : 0;
  }

  /** Keys stand in Triton's order. */
  view(): LogView {
    const { info, warn, error, isoTimes } = this.#control.switches;
    return {
      log_file: "",
      log_info: info,
      log_warning: warn,
      log_error: error,
      log_verbose_level: this.#verboseLevel,
      log_format: isoTimes ? "ISO8601" : "default",
    };
  }

  /** @throws ServingError UNIMPLEMENTED for the file, UNAVAILABLE for an unknown format: Triton's codes; nothing is changed then */
  update(change: LogChange): void {
    if (change.log_file !== undefined) {
      throw new ServingError("UNIMPLEMENTED", "log file location can not be updated through network protocol");
    }
    if (change.log_format !== undefined && !FORMATS.includes(change.log_format)) {
      throw new ServingError("UNAVAILABLE", `invalid argument for --log_format, got: ${change.log_format}`);
    }
    const after = { ...this.view(), ...change };
    this.#verboseLevel = after.log_verbose_level;
    this.#control.change({
      debug: after.log_verbose_level > 0,
      info: after.log_info,
      warn: after.log_warning,
      error: after.log_error,
      isoTimes: after.log_format === "ISO8601",
    });
  }
}
