/** Which requests run on which connection: to cancel them in the tick in which their client goes, and to wait for them at the end. */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { ServingError } from "../../core/errors.ts";

interface Connection {
  readonly requests: Set<AbortController>;
  /** Those whose answers are written but not yet sent: they wait behind another's, or for the client to read. */
  readonly answered: Set<AbortController>;
}

export class LiveRequests {
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #all = new Set<AbortController>();
  readonly #whenNone: (() => void)[] = [];

  /** A client that closes its half of the connection has gone too: nobody reads an answer without having sent one. */
  watch(server: Server): void {
    const connected = (socket: Socket) => {
      const connection: Connection = { requests: new Set(), answered: new Set() };
      this.#connections.set(socket, connection);
      const gone = () => {
        for (const request of connection.requests) request.abort(new ServingError("CANCELLED", "the client closed the connection"));
      };
      socket.once("end", gone);
      socket.once("close", () => {
        gone();
        for (const request of connection.answered) this.#end(connection, request);
      });
    };
    server.on(server instanceof TlsServer ? "secureConnection" : "connection", connected);
  }

  begin(socket: Socket): AbortController {
    const request = new AbortController();
    this.#all.add(request);
    this.#connections.get(socket)?.requests.add(request);
    return request;
  }

  /** The handler is done; the request lives on until its answer has left. */
  answered(socket: Socket, request: AbortController, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined || socket.destroyed || response.destroyed) {
      this.#end(connection, request);
    } else {
      connection.answered.add(request);
      response.once("close", () => this.#end(connection, request));
    }
  }

  on(socket: Socket): boolean {
    return (this.#connections.get(socket)?.requests.size ?? 0) > 0;
  }

  /** Resolves when nothing runs. */
  none(): Promise<void> {
    if (this.#all.size === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenNone.push(resolve);
    return promise;
  }

  abortAll(reason: ServingError): void {
    for (const request of this.#all) request.abort(reason);
  }

  #end(connection: Connection | undefined, request: AbortController): void {
    connection?.requests.delete(request);
    connection?.answered.delete(request);
    this.#all.delete(request);
    if (this.#all.size === 0) for (const resolve of this.#whenNone.splice(0)) resolve();
  }
}
