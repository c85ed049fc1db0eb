/** The runner's side of the connection: opens the model, executes one batch at a time, stops one that is not wanted any more. */
import { LENT_BYTES_MIN } from "../../../core/bytes/lent-memory.ts";
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import { BatchHeads } from "../../../core/wire/batch-heads.ts";
import type { ModelFrameHead } from "../../../core/wire/model-wire.ts";
import type { AnnouncedBatch } from "../../../core/wire/model-wire-batch.ts";
import { type EncodedTensors, encodeResult, type OutputTensor, withoutPayload } from "../../../core/wire/model-wire-batch.ts";
import { decodeOpen, encodeFailure, encodeSignature } from "../../../core/wire/model-wire-open.ts";
import { ModelSocket, type ModelSocketListener } from "../../../core/wire/model-wire-socket.ts";
import { RunOptions } from "../../ort/run-options.ts";
import { OrtRuntime } from "../../ort/runtime.ts";
import { lowerPriority } from "../shard/load-priority.ts";
import type { SharedTensors } from "../shared-tensors.ts";
import type { BoundRun } from "./bound-run.ts";
import { ModelSession } from "./model-session.ts";

export interface ModelServerOptions {
  /** Where the agent is. */
  readonly fd: number;
  /** undefined: the runtime that is installed. */
  readonly libraryFile: string | undefined;
  /** Where large tensors are; undefined: they travel. */
  readonly shared: SharedTensors | undefined;
  readonly clock: Clock;
  /** Ends the process: the agent is gone or wants it. */
  readonly exit: () => void;
}

/** Runs that take so long go to another thread, so that they can be stopped; that costs them a tenth of a millisecond. */
const ASYNC_MS = 2;

interface Open {
  readonly session: ModelSession;
  readonly heads: BatchHeads;
  readonly options: RunOptions;
}

/** A batch that is being received or run. */
interface Execution {
  readonly number: number;
  readonly batch: AnnouncedBatch;
  /** Its inputs are in the memory that is shared. */
  readonly isShared: boolean;
  readonly beganMs: number;
  readonly bound: BoundRun;
  readonly rooms: readonly Uint8Array[];
  canceled: boolean;
}

/** Serves until the connection closes. */
export class ModelServer implements ModelSocketListener {
  readonly #options: ModelServerOptions;
  readonly #socket: ModelSocket;
  #open: Open | undefined;
  #execution: Execution | undefined;
  /** Why the batch that is being received cannot be executed. */
  #refused: ServingError | undefined;

  constructor(options: ModelServerOptions) {
    this.#options = options;
    this.#socket = ModelSocket.inherited(options.fd, this);
  }

  room(frame: ModelFrameHead): readonly Uint8Array[] | undefined {
    if (frame.kind !== "execute") return undefined;
    const beganMs = this.#options.clock.now();
    this.#refused = undefined;
    try {
      if (this.#open === undefined) throw new ServingError("FAILED_PRECONDITION", "a runner executes after it has opened its model");
      if (this.#execution !== undefined) throw new ServingError("FAILED_PRECONDITION", "a runner executes one batch at a time");
      const batch = this.#open.heads.read(frame.head);
      const isShared = frame.payloadBytes === 0 && batch.inputs.some(({ byteLength }) => byteLength > 0);
      const bound = this.#open.session.bind(batch, { isShared });
      const rooms = bound.rooms(batch.inputs);
      this.#execution = { number: frame.number, batch, isShared, beganMs, bound, rooms, canceled: false };
      return isShared ? [] : rooms;
    } catch (thrown) {
      this.#refused = ServingError.from(thrown);
      return undefined; // its bytes are received and thrown away
    }
  }

  frame(frame: ModelFrameHead): void {
    switch (frame.kind) {
      case "open":
        this.#openModel(frame);
        return;
      case "execute":
        this.#execute(frame.number);
        return;
      case "cancel":
        this.#cancel(frame.number);
        return;
      case "opened":
      case "result":
      case "failed":
      case "answer":
      case "call":
      case "room":
      case "log":
      case "metrics":
      case "control":
        this.#options.exit(); // whoever sends that is not our agent
    }
  }

  gone(): void {
    this.#options.exit();
  }

  #openModel({ number, head }: ModelFrameHead): void {
    try {
      if (this.#open !== undefined) throw new ServingError("FAILED_PRECONDITION", "this runner holds a model already");
      const model = decodeOpen(head);
      using _ = lowerPriority();
      const runtime = OrtRuntime.open(this.#options.libraryFile);
      const session = new ModelSession(runtime, model, this.#options.shared);
      this.#open = { session, heads: new BatchHeads(session.signature), options: new RunOptions(runtime) };
      this.#socket.send("opened", number, { head: encodeSignature(session.signature), parts: [], payloadBytes: 0 });
    } catch (thrown) {
      this.#fail(number, thrown);
    }
  }

  #execute(number: number): void {
    const [open, execution] = [this.#open, this.#execution];
    if (this.#refused !== undefined || open === undefined || execution === undefined) {
      this.#fail(number, this.#refused);
      return;
    }
    try {
      execution.bound.fill(execution.rooms);
      const { lastMs } = execution.bound;
      if (lastMs === undefined || lastMs >= ASYNC_MS) {
        this.#runOnThread(open, execution).catch(this.#options.exit);
        return;
      }
      const startedMs = this.#options.clock.now();
      execution.bound.run();
      this.#answer(execution, execution.bound, startedMs);
    } catch (thrown) {
      if (isShapeTrouble(thrown)) {
        this.#runUnforetold(open, execution).catch(this.#options.exit);
      } else this.#fail(number, thrown);
    }
  }

  async #runOnThread(open: Open, execution: Execution): Promise<void> {
    const startedMs = this.#options.clock.now();
    try {
      await execution.bound.runAsync(open.options);
      this.#answer(execution, execution.bound, startedMs);
    } catch (thrown) {
      if (isShapeTrouble(thrown)) await this.#runUnforetold(open, execution);
      else this.#fail(execution.number, thrown);
    }
  }

  /** An output has another shape than the model says: from now on the runtime finds that out by itself. */
  async #runUnforetold({ session, options }: Open, { batch, isShared, rooms, ...execution }: Execution): Promise<void> {
    const inputs = rooms.map((room) => room.slice());
    session.stopForetelling();
    try {
      const bound = session.bind(batch, { isShared });
      const again = bound.rooms(batch.inputs);
      for (const [place, room] of again.entries()) room.set(inputs[place] ?? []);
      bound.fill(again);
      const startedMs = this.#options.clock.now();
      await bound.runAsync(options);
      this.#answer(execution, bound, startedMs);
    } catch (thrown) {
      this.#fail(execution.number, thrown);
    }
  }

  #cancel(number: number): void {
    const execution = this.#execution;
    if (execution?.number !== number) return; // its result is on the way
    execution.canceled = true; // it runs on another thread, or this one would not be here
    this.#open?.options.terminate();
  }

  #answer(execution: Pick<Execution, "number" | "beganMs">, bound: BoundRun, startedMs: number): void {
    const endedMs = this.#options.clock.now();
    bound.lastMs = endedMs - startedMs;
    const outputs: readonly OutputTensor[] = bound.results();
    const outputUs = (this.#options.clock.now() - endedMs) * 1000;
    const times = { inputUs: (startedMs - execution.beganMs) * 1000, inferUs: bound.lastMs * 1000, outputUs };
    const encoded = encodeResult(outputs, times);
    this.#finish();
    this.#socket.send("result", execution.number, this.#share(outputs, encoded) ? withoutPayload(encoded) : encoded);
  }

  /** Large outputs are bound to the memory that is shared, or are copied there. */
  #share(outputs: readonly OutputTensor[], { payloadBytes }: EncodedTensors): boolean {
    if (payloadBytes < LENT_BYTES_MIN) return false;
    const places = this.#options.shared?.outputs(outputs.map(({ data }) => data.byteLength));
    for (const [index, place] of places?.entries() ?? []) {
      const { data } = outputs[index] ?? { data: place };
      if (data.buffer !== place.buffer) place.set(data);
    }
    return places !== undefined;
  }

  #fail(number: number, thrown: unknown): void {
    const canceled = this.#execution?.number === number && this.#execution.canceled;
    const error = canceled ? new ServingError("CANCELLED", "the batch was canceled") : withOrigin(ServingError.from(thrown));
    if (this.#execution?.number === number) this.#finish();
    this.#socket.send("failed", number, { head: encodeFailure(error), parts: [], payloadBytes: 0 });
  }

  #finish(): void {
    if (this.#execution?.canceled === true) this.#open?.options.proceed();
    this.#execution = undefined;
  }
}

/** In the runtime's words: an output was given memory of a shape that it does not have. */
const isShapeTrouble = (thrown: unknown): boolean =>
  thrown instanceof ServingError && thrown.reason === "onnx_runtime" && /output OrtValue|pre-allocated|re-use buffer/.test(thrown.message);

/** What went wrong inside is for the agent's log and its operator. */
function withOrigin(error: ServingError): ServingError {
  const { code, message, reason, cause } = error;
  if (code !== "INTERNAL" || !(cause instanceof Error)) return error;
  return new ServingError(code, `${message}: ${cause.message}`, reason === undefined ? {} : { reason });
}
