/** How a command ends badly: one line that says what to do, an exit code, and no stack trace unless it is asked for. */
import { ServingError } from "../core/errors.ts";

/** `reason` of the error that a stop by signal is. */
export const INTERRUPTED = "interrupted";

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is taken: stop what listens there, or choose another with --http-port or --metrics-port",
  EACCES: "permission denied: choose a folder (--cache) or a port above 1023 that this user may use",
  ENOSPC: "the disk is full: free some space, or choose another folder with --cache",
  ENOENT: "a file or folder is missing",
  EMFILE: "too many open files: raise the limit with ulimit -n",
};

/** The line for people. An unexpected error says how to see more. */
export function failureLine(thrown: unknown): string {
  if (thrown instanceof ServingError && thrown.message !== "internal error") return thrown.message;
  const origin = thrown instanceof ServingError ? thrown.cause : thrown;
  const code = systemErrorCode(origin);
  const remedy = code === undefined ? undefined : SYSTEM_ERRORS[code];
  const what = origin instanceof Error ? origin.message : String(origin);
  return remedy === undefined ? `unexpected error: ${firstLine(what)} (--verbose shows where)` : `${remedy} (${firstLine(what)})`;
}

/** Prints the line and sets the exit code: 1, or 130 when the user stopped it, which needs no line. */
export function endProcess(thrown: unknown, options: { readonly verbose: boolean }): void {
  if (thrown instanceof ServingError && thrown.reason === INTERRUPTED) {
    process.exitCode = 130;
    return;
  }
  process.stderr.write(`nereid: ${failureLine(thrown)}\n`);
  if (options.verbose) process.stderr.write(`${stackOf(thrown)}\n`);
  process.exitCode = 1;
}

function systemErrorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = thrown.stack ?? thrown.message;
  return thrown.cause === undefined ? stack : `${stack}\ncaused by: ${stackOf(thrown.cause)}`;
}

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? "";
