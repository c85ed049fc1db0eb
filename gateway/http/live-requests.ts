/** Which requests run on which connection: to cancel them in the tick in which their client goes, and to wait for them at the end. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { ServingError } from "../../core/errors.ts";

export class LiveRequests {
  readonly #byConnection = new WeakMap<Socket, Set<AbortController>>();
  readonly #all = new Set<AbortController>();
  readonly #whenNone: (() => void)[] = [];

  /** A client that closes its half of the connection has gone too: nobody reads an answer without having sent one. */
  watch(server: Server): void {
    server.on("connection", (socket) => {
      const requests = new Set<AbortController>();
      this.#byConnection.set(socket, requests);
      const gone = () => {
        for (const request of requests) request.abort(new ServingError("CANCELLED", "the client closed the connection"));
      };
      socket.once("end", gone);
      socket.once("close", gone);
    });
  }

  begin(socket: Socket): AbortController {
    const request = new AbortController();
    this.#all.add(request);
    this.#byConnection.get(socket)?.add(request);
    return request;
  }

  end(socket: Socket, request: AbortController): void {
    this.#byConnection.get(socket)?.delete(request);
    this.#all.delete(request);
    if (this.#all.size === 0) for (const resolve of this.#whenNone.splice(0)) resolve();
  }

  on(socket: Socket): boolean {
    return (this.#byConnection.get(socket)?.size ?? 0) > 0;
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
}
