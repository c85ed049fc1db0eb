/** One request and its answer over `fetch`: addresses, headers, time limits, and what failures become. */
import { type Clock, systemClock } from "../../core/clock.ts";
import { jsonText } from "../../core/model/json-value.ts";
import type { CallOptions, ClientOptions, Compression } from "../client.ts";
import { ClientError, codeOfHttpStatus, stopped } from "../client-error.ts";
import { parseJson } from "../json-exact.ts";
import { limitedSignal } from "../limited-signal.ts";

export interface HttpClientOptions extends ClientOptions {
  /** Asked for in answers; without it they come as they are. */
  readonly responseCompression?: Compression;
  /** Whether connections are used again; true unless said. */
  readonly keepAlive?: boolean;
  /** Instead of the global one: for proxies, certificates, connection pools of one's own. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** The system's unless said. */
  readonly clock?: Clock;
}

export interface HttpCall {
  readonly method: "GET" | "POST";
  /** From the server's root, with its leading slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** Makes items of a body from its pieces. */
export type Decode<T> = (headers: Headers, pieces: AsyncIterable<Uint8Array<ArrayBuffer>>) => AsyncIterable<T>;

const DECODER = new TextDecoder();

export class Exchange {
  readonly #base: string;
  readonly #options: HttpClientOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #closed = new AbortController();

  constructor(url: string, options: HttpClientOptions) {
    this.#base = (url.includes("://") ? url : `http://${url}`).replace(/\/+$/, "");
    this.#options = options;
    this.#headers = {
      // Without it `fetch` asks for compression, which costs both ends more than it saves on tensors.
      "accept-encoding": options.responseCompression ?? "identity",
      ...(options.keepAlive === false && { connection: "close" }),
      ...options.headers,
    };
  }

  close(): void {
    this.#closed.abort(new ClientError("CANCELLED", "the client is closed"));
  }

  /** Whatever its status. @throws ClientError UNAVAILABLE when there is no answer, CANCELLED, DEADLINE_EXCEEDED */
  async answer(call: HttpCall, options: CallOptions = {}): Promise<HttpAnswer> {
    using limit = this.#limit(options);
    const response = await this.#fetch(call, options, limit.signal);
    const bytes = await read(limit.signal, this.#base, async () => new Uint8Array(await response.arrayBuffer()));
    return { status: response.status, headers: response.headers, bytes };
  }

  /** @throws ClientError also for an answer that is no success: the server's text */
  async success(call: HttpCall, options?: CallOptions): Promise<HttpAnswer> {
    const answer = await this.answer(call, options);
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw refusal(answer.status, textOf(answer));
  }

  /** The answer's JSON. */
  async json(call: HttpCall, options?: CallOptions): Promise<unknown> {
    return parseJson(textOf(await this.success(call, options)));
  }

  /** What `decode` makes of a success as its pieces come; leaving the loop ends the request. */
  async *stream<T>(call: HttpCall, options: CallOptions = {}, decode: Decode<T>): AsyncGenerator<T> {
    using limit = this.#limit(options);
    try {
      const response = await this.#fetch(call, options, limit.signal);
      if (!response.ok) throw refusal(response.status, await read(limit.signal, this.#base, () => response.text()));
      yield* decode(response.headers, this.#pieces(response, limit.signal));
    } finally {
      limit.abort(undefined);
    }
  }

  async *#pieces(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const reader = response.body?.getReader();
    if (reader === undefined) return;
    for (;;) {
      const { done, value } = await read(signal, this.#base, () => reader.read());
      if (done) return;
      yield value;
    }
  }

  #limit({ timeoutMs = this.#options.timeoutMs, signal }: CallOptions) {
    const { clock = systemClock } = this.#options;
    return limitedSignal({ clock, timeoutMs, signals: [signal, this.#closed.signal] });
  }

  #fetch(call: HttpCall, options: CallOptions, signal: AbortSignal): Promise<Response> {
    const { fetch: send = fetch } = this.#options;
    const { method, path, body } = call;
    const headers = { ...this.#headers, ...options.headers, ...call.headers };
    return read(signal, this.#base, () => send(`${this.#base}${path}`, { method, headers, signal, ...(body !== undefined && { body }) }));
  }
}

export function textOf({ bytes }: HttpAnswer): string {
  return DECODER.decode(bytes);
}

/** Runs what waits for the server, and names its failures. */
async function read<T>(signal: AbortSignal, base: string, wait: () => Promise<T>): Promise<T> {
  try {
    signal.throwIfAborted();
    return await wait();
  } catch (thrown) {
    if (signal.aborted) throw stopped(signal.reason);
    throw new ClientError("UNAVAILABLE", `no answer from ${base}: ${reasonOf(thrown)}`, { cause: thrown });
  }
}

/** `fetch` says little more than "fetch failed": its cause knows. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { cause } = thrown;
  if (!(cause instanceof Error)) return thrown.message;
  return cause.message || jsonText(cause, "code") || thrown.message;
}

function refusal(status: number, text: string): ClientError {
  return new ClientError(codeOfHttpStatus(status), errorText(text) ?? `the server answers with status ${status}`, { status });
}

function errorText(text: string): string | undefined {
  try {
    return jsonText(JSON.parse(text), "error");
  } catch {
    return text === "" ? undefined : text.slice(0, 1000);
  }
}
