/**
 * How two ends of the wire meet: the one that dials says first for which replica and epoch it speaks. Whoever accepts keeps a
 * limited number of connections that have not said so, for a limited time.
 */
import type { Clock } from "../clock.ts";
import { ServingError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import type { Frame } from "./frame.ts";

export interface Hello {
  readonly replica: string;
  readonly epoch: number;
}

const REPLICA_BYTES_MAX = 400;
const HELLO_WAIT_MS = 5_000;
const STRANGERS_MAX = 64;

export function sendHello(connection: Connection, hello: Hello): void {
  connection.send({ kind: "hello", epoch: hello.epoch, step: 0 }, [new TextEncoder().encode(hello.replica)]);
}

/** @throws ServingError INVALID_ARGUMENT when the frame is no hello. */
function readHello(frame: Frame): Hello {
  if (frame.kind !== "hello" || frame.payload.byteLength > REPLICA_BYTES_MAX)
    throw new ServingError("INVALID_ARGUMENT", `a connection of the wire began with a ${frame.kind} frame`, { reason: "bad_frame" });
  return { replica: new TextDecoder().decode(frame.payload), epoch: frame.epoch };
}

/** Connections that were accepted and have not said who they are. */
export class Strangers {
  readonly #clock: Clock;
  readonly #waiting = new Set<Connection>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `met` when the hello has come; the connection is paused then, and its listener is free to be replaced. */
  meet(connection: Connection, met: (hello: Hello, connection: Connection) => void): void {
    if (this.#waiting.size >= STRANGERS_MAX) {
      connection.close();
      return;
    }
    this.#waiting.add(connection);
    const takeBack = this.#clock.after(HELLO_WAIT_MS, () => {
      this.#waiting.delete(connection);
      connection.close();
    });
    const forget = () => {
      takeBack();
      this.#waiting.delete(connection);
    };
    connection.listener = {
      frame: (frame) => {
        forget();
        connection.pause();
        connection.listener = { frame: () => {}, gone: () => {} };
        met(readHello(frame), connection);
      },
      gone: forget,
    };
  }

  close(): void {
    for (const connection of this.#waiting) connection.close();
  }
}
