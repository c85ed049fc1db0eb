/** A stage's end of the wire: it listens for its upstream end, dials the next stage, and serves the newest epoch only. */
import type { Clock } from "../clock.ts";
import { ServingError } from "../errors.ts";
import type { MutualTls } from "../mutual-tls.ts";
import { type Connection, dial, type Listening, listen } from "./connection.ts";
import { type Hello, Strangers, sendHello } from "./hello.ts";
import type { ConnectShard } from "./runner-handle.ts";
import { StageLink, type StageWork } from "./stage-link.ts";

export interface StageOptions {
  readonly replica: string;
  /** `unix:PATH`, `tcp:HOST:PORT` or `tls:HOST:PORT`. */
  readonly listen: string;
  readonly work: StageWork;
  readonly clock: Clock;
  /** Of an incoming step frame. */
  readonly payloadBytesMax: number;
  /** For `tls:` addresses. */
  readonly tls?: MutualTls | undefined;
}

/** What a stage takes back: failure frames only. */
const DOWNSTREAM_BYTES_MAX = 2 ** 20;

export class Stage implements AsyncDisposable {
  readonly #options: StageOptions;
  readonly #strangers: Strangers;
  #listening: Listening | undefined;
  #epoch = -1;
  #link: StageLink | undefined;
  /** An upstream end that speaks of an epoch whose `connect` is yet to come or under way. */
  #early: { readonly epoch: number; readonly connection: Connection } | undefined;

  private constructor(options: StageOptions) {
    this.#options = options;
    this.#strangers = new Strangers(options.clock);
  }

  /** @throws ServingError FAILED_PRECONDITION when the address cannot be had. */
  static async open(options: StageOptions): Promise<Stage> {
    const stage = new Stage(options);
    stage.#listening = await listen(options.listen, options, (connection) =>
      stage.#strangers.meet(connection, (hello) => stage.#meet(hello, connection)),
    );
    return stage;
  }

  get address(): string {
    return this.#listening?.address ?? "";
  }

  /**
   * Empties all slots, drops what is under way and sends to `to.next` from now on.
   * @throws ServingError UNAVAILABLE when nobody listens there, FAILED_PRECONDITION when the epoch is not newer than all before.
   */
  async connect(to: ConnectShard, signal: AbortSignal): Promise<void> {
    if (to.epoch <= this.#epoch)
      throw new ServingError("FAILED_PRECONDITION", `epoch ${to.epoch} is not newer than epoch ${this.#epoch} of this stage`);
    this.#epoch = to.epoch;
    this.#link?.end(`epoch ${to.epoch} begins`);
    this.#link = undefined;
    if (this.#early !== undefined && this.#early.epoch < to.epoch) this.#refuse(this.#early.connection, this.#early.epoch);
    this.#options.work.reset();
    const next = await dial(to.next, { payloadBytesMax: DOWNSTREAM_BYTES_MAX, tls: this.#options.tls }, signal);
    if (this.#epoch !== to.epoch) {
      next.close();
      throw new ServingError("ABORTED", `epoch ${this.#epoch} began while epoch ${to.epoch} was being connected`);
    }
    sendHello(next, { replica: this.#options.replica, epoch: to.epoch });
    this.#link = new StageLink({ epoch: to.epoch, next, work: this.#options.work, clock: this.#options.clock });
    if (this.#early?.epoch === to.epoch) {
      const { connection } = this.#early;
      this.#early = undefined;
      this.#link.adopt(connection);
    }
  }

  #meet(hello: Hello, connection: Connection): void {
    const { replica, epoch } = hello;
    if (replica !== this.#options.replica) {
      connection.fail(epoch, `this is a stage of ${this.#options.replica}, not of ${replica}`);
    } else if (this.#link?.epoch === epoch) {
      this.#link.adopt(connection);
    } else if (epoch >= this.#epoch && epoch > (this.#early?.epoch ?? -1)) {
      if (this.#early !== undefined) this.#refuse(this.#early.connection, this.#early.epoch);
      this.#early = { epoch, connection };
      connection.listener = { frame: () => {}, gone: () => this.#forgetEarly(connection) };
    } else {
      this.#refuse(connection, epoch);
    }
  }

  #forgetEarly(connection: Connection): void {
    if (this.#early?.connection === connection) this.#early = undefined;
  }

  #refuse(connection: Connection, epoch: number): void {
    this.#forgetEarly(connection);
    connection.fail(epoch, `epoch ${epoch} is over`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#strangers.close();
    this.#link?.end("the stage closes");
    this.#early?.connection.close();
    await this.#listening?.[Symbol.asyncDispose]();
  }
}
