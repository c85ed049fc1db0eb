/** Logs, with pino behind them: JSON lines for machines, or one readable line each for terminals. Nothing in a line can move a cursor. */
import { type DestinationStream, destination, levels, pino, stdSerializers } from "pino";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

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
  readonly level: LogLevel;
  readonly form: "json" | "readable";
  /** Takes whole lines; standard error when undefined. */
  readonly write?: (line: string) => void;
}

export function createLogger(options: LoggerOptions): Logger {
  const output: DestinationStream = options.write === undefined ? destination({ fd: 2, sync: true }) : { write: options.write };
  const form = options.form === "json" ? escapeControls : readableLine;
  return pino(
    { level: options.level, base: null, serializers: { err: stdSerializers.err } },
    { write: (line: string) => output.write(form(line)) },
  );
}

/** C0 but the line's end, DEL, C1, and the separators and directions that change how a terminal shows a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** `12:34:56.789 WARN message key=value …`, in UTC. */
function readableLine(line: string): string {
  const { level, time, msg, err, ...fields }: Record<string, unknown> = JSON.parse(line);
  const clock = new Date(Number(time)).toISOString().slice(11, 23);
  const name = (levels.labels[Number(level)] ?? String(level)).toUpperCase().padEnd(5);
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return `${escapeControls(`${clock} ${name} ${msg}${rest.join("")}${errorText(err)}`.replaceAll("\n", "\\n"))}\n`;
}

function errorText(err: unknown): string {
  if (typeof err !== "object" || err === null) return "";
  const { message, code } = { message: "", code: undefined, ...err };
  return ` err=${code === undefined ? "" : `${String(code)}: `}${String(message)}`;
}
