/**
 * A runner as its agent sees it: a child process that hosts one shard. Adapters: `node-agent/runners/process.ts` (a process)
 * and `scripted.ts` (memory). Steps do not pass through here: they take the wire, straight to the runner's address.
 */
import type { ReplicaId } from "../ids.ts";

export interface OpenShard {
  /** Holds model.onnx, weights.bin and shard.json. */
  readonly folder: string;
  readonly replica: ReplicaId;
  /** Rows of the KV cache. */
  readonly slots: number;
  /** Positions a slot holds. */
  readonly contextLength: number;
  /** Threads of the runtime's pool. */
  readonly threads: number;
  /** What was found when this shard was open on this host before; undefined: it is found out, which takes a while. */
  readonly known?: ShardTraits | undefined;
}

/** What a shard's runs need on a host for equal bits. Found by probes. */
export interface ShardTraits {
  /** Decode runs of fewer rows give other bits on this CPU: the lead adds idle rows. */
  readonly decodeRowsMin: number;
  /** A replay may be one run. */
  readonly replaysAtOnce: boolean;
}

export interface ShardOpened extends ShardTraits {
  /** Where the upstream end (lead or previous stage) dials. `unix:PATH`, `tcp:HOST:PORT` or `tls:HOST:PORT`. */
  readonly address: string;
  /** Resident bytes of the process after warm-up. */
  readonly residentBytes: number;
}

export interface ConnectShard {
  readonly epoch: number;
  /** Where this stage sends its frames: the next stage, or the lead's wire for the last one. */
  readonly next: string;
}

/** How a runner ended. */
export interface RunnerExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** The last lines it wrote to its standard error; for the log, not for clients. */
  readonly lastWords: string;
}

export interface RunnerHandle {
  /** Differs for every process ever started. */
  readonly incarnation: string;
  /** The process id; undefined for a runner that is no process. */
  readonly pid: number | undefined;
  /**
   * Loads the shard, warms it up and probes it.
   * @throws ServingError with the runtime's message when the shard cannot be opened, UNAVAILABLE when the runner dies on it.
   */
  open(shard: OpenShard, signal: AbortSignal): Promise<ShardOpened>;
  /** Empties all slots, drops what is under way and sends from now on to `next`. @throws ServingError UNAVAILABLE when it does not answer. */
  connect(to: ConnectShard, signal: AbortSignal): Promise<void>;
  readonly exited: Promise<RunnerExit>;
  /** Asks it to end, kills it after a grace; resolves when it is gone. */
  close(): Promise<void>;
  kill(): void;
}

export interface RunnerFactory {
  start(): RunnerHandle;
}
