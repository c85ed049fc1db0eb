/** The log settings, as the logging extension shows and changes them. Kept in memory; who logs is told of every change. */
import { ServingError } from "../../core/errors.ts";

export interface LogView {
  readonly log_file: string;
  readonly log_info: boolean;
  readonly log_warning: boolean;
  readonly log_error: boolean;
  readonly log_verbose_level: number;
  readonly log_format: string;
}

export type LogChange = Partial<LogView>;

const INITIAL: LogView = {
  log_file: "",
  log_info: true,
  log_warning: true,
  log_error: true,
  log_verbose_level: 0,
  log_format: "default",
};

const FORMATS: readonly string[] = ["default", "ISO8601"];

export class LogSettings {
  #view: LogView = INITIAL;
  readonly #onChange: (view: LogView) => void;

  constructor(onChange: (view: LogView) => void = () => undefined) {
    this.#onChange = onChange;
  }

  /** Keys stand in Triton's order. */
  view(): LogView {
    return this.#view;
  }

  /** @throws ServingError UNIMPLEMENTED for the file, UNAVAILABLE for an unknown format: Triton's codes; nothing is changed then */
  update(change: LogChange): void {
    if (change.log_file !== undefined) {
      throw new ServingError("UNIMPLEMENTED", "log file location can not be updated through network protocol");
    }
    if (change.log_format !== undefined && !FORMATS.includes(change.log_format)) {
      throw new ServingError("UNAVAILABLE", `invalid argument for --log_format, got: ${change.log_format}`);
    }
    this.#view = { ...this.#view, ...change };
    this.#onChange(this.#view);
  }
}
