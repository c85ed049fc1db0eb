/** Methods that show what the transport does, without protobuf: messages are bytes. */
import { isErrorCode, ServingError } from "../../core/errors.ts";
import { INFERS } from "../../gateway/access/access.ts";
import type { GrpcCall, GrpcMethod, Message } from "../../gateway/grpc/method.ts";

const SERVICE = "test.Transport";

export const ECHO = `/${SERVICE}/Echo`;
export const HOLD = `/${SERVICE}/Hold`;
export const FAIL = `/${SERVICE}/Fail`;
export const POUR = `/${SERVICE}/Pour`;
export const DRAIN = `/${SERVICE}/Drain`;
export const RELAY = `/${SERVICE}/Relay`;

/** What handlers do, and are told. */
export class TestMethods {
  /** Calls of Hold that have begun, with their signals. */
  readonly held: GrpcCall[] = [];
  /** Reasons for which held calls ended. */
  readonly reasons: unknown[] = [];
  /** Messages that Pour has made. */
  poured = 0;
  /** Bytes that Drain has taken. */
  drained = 0;
  /** Drain takes nothing before this resolves. */
  readonly tap = Promise.withResolvers<void>();
  #changed = Promise.withResolvers<void>();

  /** Waits until what handlers do makes this true. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.#changed.promise;
  }

  all(): readonly GrpcMethod[] {
    const named = (method: string) => ({ service: SERVICE, method, ...INFERS }) as const;
    return [
      { ...named("Echo"), kind: "unary", handle: (bytes) => [bytes] },
      { ...named("Hold"), kind: "unary", handle: (_, call) => this.#hold(call) },
      { ...named("Fail"), kind: "unary", handle: fail },
      { ...named("Pour"), kind: "streaming", handle: (requests) => this.#pour(requests) },
      { ...named("Drain"), kind: "streaming", handle: (requests) => this.#drain(requests) },
      { ...named("Relay"), kind: "streaming", handle: (requests) => relay(requests) },
    ];
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #hold(call: GrpcCall): Promise<Message> {
    this.held.push(call);
    this.#change();
    return new Promise((_, reject) => {
      call.signal.addEventListener("abort", () => {
        this.reasons.push(call.signal.reason);
        this.#change();
        reject(call.signal.reason);
      });
    });
  }

  /** As many messages as the first says, each of as many bytes as the second number says. */
  async *#pour(requests: AsyncIterable<Uint8Array>): AsyncGenerator<Message> {
    for await (const request of requests) {
      const [count = 0, size = 0] = Buffer.from(request).toString().split(" ").map(Number);
      for (let index = 0; index < count; index++) {
        this.poured++;
        this.#change();
        yield [Buffer.alloc(size, index)];
      }
    }
  }

  async *#drain(requests: AsyncIterable<Uint8Array>): AsyncGenerator<Message> {
    await this.tap.promise;
    for await (const request of requests) this.drained += request.byteLength;
    yield [Buffer.from(String(this.drained))];
  }
}

async function* relay(requests: AsyncIterable<Uint8Array>): AsyncGenerator<Message> {
  for await (const request of requests) {
    if (Buffer.from(request).toString() === "fail") throw new ServingError("DATA_LOSS", "as asked");
    yield [request];
  }
}

/** `CODE message`; what begins with no code is thrown as it is. */
function fail(bytes: Uint8Array): Message {
  const text = Buffer.from(bytes).toString();
  const code = text.split(" ", 1)[0] ?? "";
  if (isErrorCode(code)) throw new ServingError(code, text.slice(code.length + 1));
  throw new Error(text);
}
