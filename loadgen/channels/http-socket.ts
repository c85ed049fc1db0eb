/** The lean way over HTTP/1.1: a socket for each channel, requests made into bytes once, answers of which only the status is read. */
import net from "node:net";
import { ServingError } from "../../core/errors.ts";
import type { Call, Channel } from "../channel.ts";
import { HttpAnswers } from "./http-answers.ts";

export interface HttpRequestParts {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** @param host as clients write it, with the port */
export function httpRequestBytes(host: string, { path, headers, body }: HttpRequestParts): Buffer {
  const lines = Object.entries({ host, ...headers, "content-length": String(body.byteLength) }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n`), body]);
}

export class HttpSocketChannel implements Channel, Disposable {
  readonly #socket: net.Socket;
  readonly #requests: readonly Buffer[];
  readonly #answers: HttpAnswers;
  #call: Call | undefined;
  /** Why nothing more can be sent. */
  #broken: string | undefined;

  constructor(socket: net.Socket, requests: readonly Buffer[]) {
    this.#socket = socket;
    this.#requests = requests;
    this.#answers = new HttpAnswers({
      answer: (status, body) => this.#end(status === 200 ? undefined : `status ${status}: ${body}`),
    });
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", ({ message }) => this.#break(message));
    socket.on("close", () => this.#break("the server closed the connection"));
  }

  send(request: number, call: Call): void {
    const bytes = this.#requests[request % this.#requests.length];
    if (this.#broken !== undefined || bytes === undefined) {
      call.ended(this.#broken ?? "there is no request to send");
      return;
    }
    this.#call = call;
    this.#socket.write(bytes);
  }

  [Symbol.dispose](): void {
    this.#broken = "the channel is closed";
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    try {
      this.#answers.push(chunk);
    } catch (thrown) {
      this.#break(ServingError.from(thrown).message);
      this.#socket.destroy();
    }
  }

  #break(why: string): void {
    this.#broken ??= why;
    this.#end(why);
  }

  #end(failure: string | undefined): void {
    const call = this.#call;
    this.#call = undefined;
    call?.ended(failure);
  }
}

/** @throws ServingError UNAVAILABLE when nobody answers; the signal's reason */
export function connect(
  { hostname, port }: { readonly hostname: string; readonly port: number },
  signal: AbortSignal,
): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = net.connect(port, hostname);
    const letGo = () => {
      signal.removeEventListener("abort", onAbort);
      socket.removeListener("error", onError);
    };
    const onAbort = () => {
      letGo();
      socket.destroy();
      reject(signal.reason);
    };
    const onError = (cause: Error) => {
      letGo();
      reject(new ServingError("UNAVAILABLE", `nobody answers at ${hostname}:${port}: ${cause.message}`, { cause }));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    socket.once("connect", () => {
      letGo();
      resolve(socket);
    });
  });
}
