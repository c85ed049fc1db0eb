/** A client of bytes: what the server sends, exactly as it comes. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export class RawClient implements Disposable {
  readonly socket: Socket;
  #text = "";
  #over = false;
  #waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#text += text;
      this.#wake();
    });
    socket.on("end", () => this.#end());
    socket.on("close", () => this.#end());
    socket.on("error", () => undefined); // resets are part of the tests
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    await once(socket, "connect");
    return new RawClient(socket);
  }

  send(...parts: readonly (string | Uint8Array)[]): this {
    for (const part of parts) this.socket.write(part);
    return this;
  }

  /** Everything that has come since the last take. */
  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }

  /** Waits until what has come contains `expected`, and takes it all. @throws Error when the connection ends before. */
  async until(expected: string | RegExp): Promise<string> {
    while (!(typeof expected === "string" ? this.#text.includes(expected) : expected.test(this.#text))) {
      if (this.#over) throw new Error(`closed after ${JSON.stringify(this.#text)}`);
      await this.#change();
    }
    return this.take();
  }

  /** Waits for the end of the connection, and takes what came before it. */
  async ended(): Promise<string> {
    while (!this.#over) await this.#change();
    return this.take();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    return promise;
  }

  #end(): void {
    this.#over = true;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export function postText(path: string, body: string | Uint8Array, headers = ""): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return head + (typeof body === "string" ? body : "");
}

export function getText(path: string, headers = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
}

/** The data frames of a chunked response, in order, comments left out. */
export function framesOf(response: string): readonly string[] {
  const body = response.slice(response.indexOf("\r\n\r\n") + 4);
  return [...body.matchAll(/data: (.*?)\n\n/g)].map((match) => match[1] ?? "");
}
