/**
 * The lead's end of the wire over sockets: it dials stage 0 and is dialed by last stages. Both ends of a pipeline drop what
 * belongs to an older epoch of its replica.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import { type Clock, systemClock } from "../clock.ts";
import { ServingError } from "../errors.ts";
import type { MutualTls } from "../mutual-tls.ts";
import { advertisedAddress } from "./address.ts";
import { type Connection, type ConnectionOptions, dial, type Listening, listen } from "./connection.ts";
import type { Frame } from "./frame.ts";
import { type Hello, Strangers, sendHello } from "./hello.ts";
import { privateSocketFolder } from "./socket-folder.ts";
import type { Step } from "./step.ts";
import { decodeResult, encodeStep } from "./step-codec.ts";
import { encodePayloadHead } from "./step-payload.ts";
import type { JoinOptions, Pipeline, PipelineListener, Wire } from "./wire.ts";

export interface SocketWireOptions {
  /** Where last stages dial. A unix socket in a folder of its own unless said; `tcp:HOST:0` and `tls:HOST:0` take any free port. */
  readonly listen?: string;
  /** What they dial, where that is not the host of `listen`. */
  readonly advertiseHost?: string;
  readonly clock?: Clock;
  /** For `tls:` addresses. */
  readonly tls?: MutualTls | undefined;
}

/** Of a result frame: tokens of all slots with their alternatives. */
const RESULT_BYTES_MAX = 16 * 2 ** 20;
/** Last stages that have dialed and that nobody has joined yet. */
const ARRIVED_MAX = 1024;

/** @throws ServingError FAILED_PRECONDITION when the address cannot be had. */
export async function socketWire(options: SocketWireOptions): Promise<Wire> {
  const wire = new SocketWire(options);
  if (options.listen !== undefined) {
    await wire.open(options.listen, undefined);
  } else {
    const folder = await privateSocketFolder();
    await wire.open(`unix:${path.join(folder, "wire")}`, folder);
  }
  return wire;
}

interface Arrival {
  readonly epoch: number;
  readonly connection: Connection;
}

class SocketWire implements Wire {
  readonly #strangers: Strangers;
  readonly #advertiseHost: string | undefined;
  readonly #connections: ConnectionOptions;
  /** By replica; the newest epoch only. */
  readonly #arrived = new Map<string, Arrival>();
  readonly #pipelines = new Map<string, SocketPipeline>();
  #listening: Listening | undefined;
  #folder: string | undefined;

  constructor({ clock = systemClock, advertiseHost, tls }: SocketWireOptions) {
    this.#strangers = new Strangers(clock);
    this.#advertiseHost = advertiseHost;
    this.#connections = { payloadBytesMax: RESULT_BYTES_MAX, tls };
  }

  get address(): string {
    return this.#listening === undefined ? "" : advertisedAddress(this.#listening.address, this.#advertiseHost);
  }

  async open(address: string, folder: string | undefined): Promise<void> {
    this.#folder = folder;
    this.#listening = await listen(address, this.#connections, (connection) =>
      this.#strangers.meet(connection, (hello) => this.#meet(hello, connection)),
    );
  }

  async join(options: JoinOptions, listener: PipelineListener, signal: AbortSignal): Promise<Pipeline> {
    const { replica, epoch } = options;
    const older = this.#pipelines.get(replica);
    if (older !== undefined && older.epoch >= epoch)
      throw new ServingError("FAILED_PRECONDITION", `${replica} is joined in epoch ${older.epoch}, which ${epoch} is not newer than`);
    const first = await dial(options.first, this.#connections, signal);
    if (this.#listening === undefined) {
      first.close();
      throw new ServingError("CANCELLED", "the wire was closed");
    }
    sendHello(first, { replica, epoch });
    const pipeline = new SocketPipeline(options, first, listener);
    pipeline.onClose = () => {
      if (this.#pipelines.get(replica) === pipeline) this.#pipelines.delete(replica);
    };
    this.#pipelines.set(replica, pipeline);
    const arrival = this.#arrived.get(replica);
    if (arrival?.epoch === epoch) {
      this.#arrived.delete(replica);
      pipeline.lastStageArrived(arrival.connection);
    }
    return await pipeline.joined(signal);
  }

  #meet(hello: Hello, connection: Connection): void {
    const { replica, epoch } = hello;
    const pipeline = this.#pipelines.get(replica);
    if (pipeline !== undefined && pipeline.epoch === epoch && pipeline.joining) {
      pipeline.lastStageArrived(connection);
      return;
    }
    const arrived = this.#arrived.get(replica);
    const newest = Math.max(pipeline?.epoch ?? -1, arrived?.epoch ?? -1);
    if (epoch <= newest || this.#arrived.size >= ARRIVED_MAX) {
      connection.fail(epoch, `epoch ${epoch} of ${replica} is over`);
      return;
    }
    arrived?.connection.close();
    this.#arrived.set(replica, { epoch, connection });
    const forget = () => {
      if (this.#arrived.get(replica)?.connection === connection) this.#arrived.delete(replica);
    };
    connection.listener = { frame: () => {}, gone: forget };
    connection.resume(); // nothing is due before a step was submitted; its end must be seen
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const listening = this.#listening;
    this.#listening = undefined;
    this.#strangers.close();
    for (const pipeline of [...this.#pipelines.values()]) pipeline.close();
    for (const { connection } of this.#arrived.values()) connection.close();
    await listening?.[Symbol.asyncDispose]();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}

class SocketPipeline implements Pipeline {
  readonly epoch: number;
  onClose = () => {};
  readonly #replica: string;
  readonly #first: Connection;
  readonly #listener: PipelineListener;
  readonly #joined = Promise.withResolvers<Pipeline>();
  #last: Connection | undefined;
  #closed = false;
  /** The step whose result comes next; undefined before the first submission. */
  #awaited: number | undefined;

  constructor(options: JoinOptions, first: Connection, listener: PipelineListener) {
    this.epoch = options.epoch;
    this.#replica = options.replica;
    this.#first = first;
    this.#listener = listener;
    first.listener = { frame: (frame) => this.#nonsense(frame), gone: (why) => this.#break(why) };
    this.#joined.promise.catch(() => {}); // whoever joins hears of it in `joined`
  }

  get joining(): boolean {
    return !this.#closed && this.#last === undefined;
  }

  async joined(signal: AbortSignal): Promise<Pipeline> {
    const onAbort = () => {
      this.#joined.reject(signal.reason);
      this.close();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await this.#joined.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  lastStageArrived(connection: Connection): void {
    this.#last = connection;
    connection.listener = { frame: (frame) => this.#take(frame), gone: (why) => this.#break(why) };
    connection.resume();
    this.#joined.resolve(this);
  }

  submit(step: Step): void {
    if (this.#closed) return;
    this.#awaited ??= step.step;
    const payload = encodePayloadHead({ plan: encodeStep(step), stageUs: [] });
    this.#first.send({ kind: "step", epoch: this.epoch, step: step.step }, [payload]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#first.close();
    this.#last?.close();
    this.onClose();
    this.#joined.reject(new ServingError("CANCELLED", "the pipeline was closed"));
  }

  #take(frame: Frame): void {
    if (this.#closed || frame.epoch < this.epoch) return;
    if (frame.kind !== "result" || frame.epoch !== this.epoch || frame.step !== this.#awaited) {
      this.#nonsense(frame);
      return;
    }
    this.#awaited++;
    this.#listener.result(decodeResult(frame.payload, frame)); // what it throws ends the connection, and so the pipeline
  }

  #nonsense(frame: Frame): void {
    const why = `${this.#replica} sent a ${frame.kind} frame of step ${frame.step}, epoch ${frame.epoch}, out of place`;
    this.#break(new ServingError("UNAVAILABLE", why, { reason: "bad_frame" }));
  }

  #break(why: ServingError): void {
    if (this.#closed) return;
    const told = this.#last !== undefined;
    this.#joined.reject(why);
    this.close();
    if (told) this.#listener.broken(why);
  }
}
