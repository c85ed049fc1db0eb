/** A program of ours in a process of its own, with a channel to it. Adapters: `linux-child.ts`, and `node-child.ts` for other systems. */
import type { Duplex, Readable } from "node:stream";
import type { Clock } from "../../core/clock.ts";

export interface ChildStart {
  /** What runs the program: a path, or a name on the PATH. */
  readonly interpreter: string;
  /** The program's file and what it gets. */
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** A file descriptor that it gets as its standard input; undefined, and on other systems than Linux: nothing is there. */
  readonly input?: number | undefined;
  readonly clock: Clock;
}

export interface Child {
  /** undefined when it could not be started, which `ended` tells. */
  readonly pid: number | undefined;
  /** Its standard output and error. */
  readonly words: readonly Readable[];
  /** Its end is the file descriptor `CONTROL_FD`. Both ends see that the other is gone. */
  readonly channel: Duplex;
  /** When it is gone and what it wrote has been read. */
  readonly ended: Promise<ChildEnd>;
  /** Ends it at once, if it is not gone yet. */
  kill(): void;
}

export interface ChildEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** Why it could not be started. */
  readonly failure?: string;
}

/** Never throws. */
export type StartChild = (start: ChildStart) => Child;
