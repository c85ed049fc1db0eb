/** A socket between an agent and the runner of a whole model. */
import net from "node:net";
import type { Duplex } from "node:stream";
import { letGo } from "../bytes/let-go.ts";
import { ServingError } from "../errors.ts";
import { type ModelFrameKind, type ModelFrameListener, ModelFrameParser, modelFrame } from "./model-wire.ts";
import type { EncodedTensors } from "./model-wire-batch.ts";

export interface ModelSocketListener extends ModelFrameListener {
  /** Nothing comes any more: UNAVAILABLE when the other end is gone, DATA_LOSS when it sent nonsense. Called once. */
  gone(why: ServingError): void;
}

/** Payloads up to this size travel in one piece with their head: copying them costs less than a second write. */
const JOINED_BYTES_MAX = 32_768;
/** Of the runner's receive buffer: what a socket pair holds at most, roughly. */
const RECEIVE_BYTES = 262_144;
const NO_TENSORS: EncodedTensors = { head: new Uint8Array(), parts: [], payloadBytes: 0 };

export class ModelSocket {
  readonly #socket: Duplex;
  readonly #listener: ModelSocketListener;
  readonly #parser: ModelFrameParser;
  #over = false;

  private constructor(socket: Duplex, listener: ModelSocketListener) {
    this.#socket = socket;
    this.#listener = listener;
    this.#parser = new ModelFrameParser(listener);
    socket.on("error", (error) => this.#end(new ServingError("UNAVAILABLE", `a runner's connection broke: ${error.message}`)));
    socket.on("close", () => this.#end(new ServingError("UNAVAILABLE", "a runner's connection is closed")));
  }

  /** The agent's end. Every chunk has memory of its own: what is given to the listener stays as it is. */
  static over(socket: Duplex, listener: ModelSocketListener): ModelSocket {
    const made = new ModelSocket(socket, listener);
    socket.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
      if (!made.#take(chunk)) letGo(chunk);
    });
    return made;
  }

  /** The runner's end, inherited as a file descriptor. Chunks share one buffer: payloads are to have rooms. */
  static inherited(fd: number, listener: ModelSocketListener): ModelSocket {
    const buffer = new Uint8Array(RECEIVE_BYTES);
    const take = (byteLength: number): boolean => {
      made.#take(buffer.subarray(0, byteLength));
      return true;
    };
    const made: ModelSocket = new ModelSocket(
      new net.Socket({ fd, readable: true, writable: true, onread: { buffer, callback: take } }),
      listener,
    );
    return made;
  }

  /** Sends at once what the kernel takes. Parts must not change until the other end has answered. */
  send(kind: ModelFrameKind, number: number, { head, parts, payloadBytes }: EncodedTensors = NO_TENSORS): void {
    if (this.#over) return;
    if (payloadBytes > JOINED_BYTES_MAX) {
      this.#socket.cork();
      this.#socket.write(modelFrame({ kind, number, head }, payloadBytes, 0));
      for (const part of parts) if (part.byteLength > 0) this.#socket.write(part);
      this.#socket.uncork();
      return;
    }
    const frame = modelFrame({ kind, number, head }, payloadBytes, payloadBytes);
    let at = frame.byteLength - payloadBytes;
    for (const part of parts) {
      frame.set(part, at);
      at += part.byteLength;
    }
    this.#socket.write(frame);
  }

  /** Ends the own half: what was sent still arrives. */
  finish(): void {
    this.#socket.end();
  }

  /** @returns whether the listener has views of it */
  #take(chunk: Uint8Array): boolean {
    if (this.#over) return false;
    try {
      return this.#parser.push(chunk);
    } catch (cause) {
      const { message } = ServingError.from(cause);
      this.#end(new ServingError("DATA_LOSS", `a runner's connection carries nonsense: ${message}`, { cause }));
      this.#socket.destroy();
      return true; // nobody knows
    }
  }

  #end(why: ServingError): void {
    if (this.#over) return;
    this.#over = true;
    this.#listener.gone(why);
  }
}
