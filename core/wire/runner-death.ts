/** What the end of a runner says to whoever waits for its answer: whether somebody ended it, or its work may have. Pure. */
import type { ServingError } from "../errors.ts";
import type { RunnerExit } from "./runner-handle.ts";

const ENDED = "runner_died";
const CRASHED = "runner_crashed";
/** Sent by people, by the system that is out of memory, and by us. */
const FROM_OUTSIDE: readonly (string | undefined)[] = ["SIGKILL", "SIGTERM", "SIGINT"];

/** The reason of the error with which its execution fails. */
export function deathReason({ code, signal }: RunnerExit): string {
  const crashed = signal === undefined ? code !== 0 : !FROM_OUTSIDE.includes(signal);
  return crashed ? CRASHED : ENDED;
}

/** Whether an execution failed because its runner is gone. */
export const isDeath = ({ reason }: ServingError): boolean => reason === ENDED || reason === CRASHED;

/** Whether the runner ended of itself: a native abort, a fault, an exception that nobody caught. */
export const isCrash = ({ reason }: ServingError): boolean => reason === CRASHED;
