/** Logs, with pino behind them: JSON lines for machines, or one readable line each for terminals. Nothing in a line can move a cursor. */
import { type DestinationStream, destination, levels, type Logger as PinoLogger, pino, stdSerializers, stdTimeFunctions } from "pino";
import { LogControl, type LogLevel } from "./log-control.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Fields first, then what happened; `err` is an error. */
export interface Logger {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
  /** A logger whose every line carries `fields`. */
  child(fields: Fields): Logger;
}

export interface LoggerOptions {
  /** One that is shared can be changed while the program runs. */
  readonly level: LogLevel | LogControl;
  readonly form: "json" | "readable";
  /** Takes whole lines; standard error when undefined. */
  readonly write?: (line: string) => void;
}

/** Lines that nobody takes yet, in characters; what comes on top is dropped. */
const HELD_MAX = 1024 * 1024;

/** Never holds the program up, and never ends it: a reader that stalls, is gone or has a full disk costs lines. */
function standardError(): DestinationStream {
  const open = () => {
    const opened = destination({ fd: 2, sync: false, maxLength: HELD_MAX });
    opened.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "EPIPE") return; // pino takes the lines and drops them from now on
      opened.destroy(); // it would try to the end of time, also when the program wants to end
      if (output === opened) output = undefined;
    });
    return opened;
  };
  let output: ReturnType<typeof open> | undefined;
  return {
    write: (line) => {
      output ??= open();
      output.write(line);
    },
  };
}

export function createLogger(options: LoggerOptions): Logger {
  const control = options.level instanceof LogControl ? options.level : new LogControl(options.level);
  const output: DestinationStream = options.write === undefined ? standardError() : { write: options.write };
  const form = options.form === "json" ? escapeControls : (line: string) => readableLine(line, control.switches.isoTimes);
  const timestamp = () => (control.switches.isoTimes ? stdTimeFunctions.isoTime() : stdTimeFunctions.epochTime());
  const serializers = { err: stdSerializers.err };
  const logger = pino({ level: "debug", base: null, timestamp, serializers }, { write: (line: string) => output.write(form(line)) });
  return controlled(logger, control);
}

/** Pino's own children keep the level that their parent had. */
function controlled(logger: PinoLogger, control: LogControl): Logger {
  return {
    debug: (fields, message) => void (control.switches.debug && logger.debug(fields, message)),
    info: (fields, message) => void (control.switches.info && logger.info(fields, message)),
    warn: (fields, message) => void (control.switches.warn && logger.warn(fields, message)),
    error: (fields, message) => void (control.switches.error && logger.error(fields, message)),
    child: (fields) => controlled(logger.child(fields), control),
  };
}

/** C0 but the line's end, DEL, C1, and the separators and directions that change how a terminal shows a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** `12:34:56.789 WARN message key=value …`, in UTC; with the date where that is asked for. */
function readableLine(line: string, isoTimes: boolean): string {
  const { level, time, msg, err, ...fields }: Record<string, unknown> = JSON.parse(line);
  const clock = new Date(typeof time === "string" ? time : Number(time)).toISOString();
  const name = (levels.labels[Number(level)] ?? String(level)).toUpperCase().padEnd(5);
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const text = `${isoTimes ? clock : clock.slice(11, 23)} ${name} ${msg}${rest.join("")}${errorText(err)}`;
  return `${escapeControls(text.replaceAll("\n", "\\n"))}\n`;
}

function errorText(err: unknown): string {
  if (typeof err !== "object" || err === null) return "";
  const { message, code } = { message: "", code: undefined, ...err };
  return ` err=${code === undefined ? "" : `${String(code)}: `}${String(message)}`;
}
