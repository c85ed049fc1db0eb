/** What every backend that answers through senders promises; `backend.test.ts` runs it on those of the agent. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ServingError } from "../../core/errors.ts";
import type { InferSubmit } from "../../core/messages/infer.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type {
  Backend,
  BackendInstance,
  BackendModel,
  BackendRequest,
  BackendResponse,
  ResponseSender,
} from "../../node-agent/backends/backend.ts";

const NEVER = new AbortController().signal;

/** A backend, and a decoupled model that it runs. */
export interface BackendWorld extends AsyncDisposable {
  readonly backend: Backend;
  readonly model: BackendModel;
  /** The model's output. */
  readonly output: string;
  /** Inputs that make it answer so often. */
  asks(answers: number): readonly Tensor[];
  /** Lets happen what is under way. */
  settle(): Promise<void>;
}

/** Keeps what is sent; has room or not, as the test says. */
export class NotedSender implements ResponseSender {
  readonly sent: BackendResponse[] = [];
  last: BackendResponse | "none" | undefined;
  hasRoom = true;
  isCanceled = false;
  readonly #controller = new AbortController();
  #room = Promise.withResolvers<void>();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  send(response: BackendResponse): Promise<void> | undefined {
    this.sent.push(response);
    return this.hasRoom ? undefined : this.#room.promise;
  }

  end(last?: BackendResponse): void {
    expect(this.last).toBeUndefined();
    this.last = last ?? "none";
  }

  makeRoom(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  cancel(reason: ServingError): void {
    this.isCanceled = true;
    this.#controller.abort(reason);
    this.#room.resolve();
  }

  request(inputs: readonly Tensor[], output: string): BackendRequest {
    const asked = { id: "", parameters: new Map(), inputs, outputs: [output] };
    const content = { ...asked, priority: 0, queueTimeoutUs: 0, remainingMs: undefined };
    const submit: InferSubmit = { ...content, kind: "infer", replica: "m/1/1", tenant: "", traceparent: "" };
    return { ...asked, timeoutUs: 0, from: { submit, deadlineMs: undefined, upcalls: undefined }, sender: this };
  }
}

export function backendContract(open: () => Promise<BackendWorld>, canceled: ServingError): void {
  let world: BackendWorld;
  let instance: BackendInstance;
  beforeEach(async () => {
    world = await open();
    instance = await world.backend.open(world.model, 0, NEVER);
  });
  afterEach(async () => {
    await instance[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });
  /** Executes a request for so many answers, and lets it come as far as it can. */
  const asked = async (answers: number, prepare: (sender: NotedSender) => void = () => {}) => {
    const sender = new NotedSender();
    prepare(sender);
    await instance.execute([sender.request(world.asks(answers), world.output)]);
    await world.settle();
    return sender;
  };

  test("a request is answered as often as it asks, each time with the outputs that it wants, and then ends", async () => {
    const { sent, last } = await asked(5);
    expect(sent.map((response) => Array.isArray(response) && response.map(({ name }: Tensor) => name))).toEqual(
      Array(5).fill([world.output]),
    );
    expect(last).toBe("none");
  });

  test("a request without an answer only ends", async () => {
    const { sent, last } = await asked(0);
    expect([sent, last]).toEqual([[], "none"]);
  });

  test("where there is no room the next answer waits for it", async () => {
    const sender = await asked(3, (one) => {
      one.hasRoom = false;
    });
    expect([sender.sent.length, sender.last]).toEqual([1, undefined]);
    sender.makeRoom();
    await world.settle();
    expect(sender.sent).toHaveLength(2);
    sender.hasRoom = true;
    sender.makeRoom();
    await world.settle();
    expect([sender.sent.length, sender.last]).toEqual([3, "none"]);
  });

  test("a request that waits for room does not hold up the instance", async () => {
    const slow = await asked(3, (one) => {
      one.hasRoom = false;
    });
    const quick = await asked(2);
    expect([slow.sent.length, quick.sent.length, quick.last]).toEqual([1, 2, "none"]);
  });

  test("a request that is canceled gets nothing more", async () => {
    const sender = await asked(3, (one) => {
      one.hasRoom = false;
    });
    sender.cancel(canceled);
    await world.settle();
    expect([sender.sent.length, sender.last]).toEqual([1, undefined]);
  });

  test("requests of a batch are answered each by itself", async () => {
    const senders = [new NotedSender(), new NotedSender()];
    for (const [place, sender] of senders.entries()) await instance.execute([sender.request(world.asks(place + 1), world.output)]);
    await world.settle();
    expect(senders.map(({ sent, last }) => [sent.length, last])).toEqual([
      [1, "none"],
      [2, "none"],
    ]);
  });
}
