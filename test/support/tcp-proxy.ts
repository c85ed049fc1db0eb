/**
 * A proxy between two ends of TCP connections that does to them what networks do: cuts them as a pulled cable does, goes silent and
 * keeps them open, delays, loses and slows down, each direction for itself. What is lost is what TCP makes of a loss: a pause for
 * that piece and all behind it.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { systemClock } from "../../core/clock.ts";
import { type Random, systemRandom } from "../../core/random.ts";

export interface Weather {
  readonly delayMs?: number;
  /** Up to so much more. */
  readonly jitterMs?: number;
  /** Share of pieces that are lost once. */
  readonly loss?: number;
  readonly bytesPerSecond?: number;
  /** Nothing comes through; what comes waits. */
  readonly silent?: boolean;
}

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Resets every connection. */
  cut(): void;
  /** Passes nothing on, either way, and closes nothing: what comes waits. */
  silence(): void;
  /** Passes on what waits, and all that comes. */
  speak(): void;
  /** From now on, towards the target (`there`) and from it (`back`). */
  set(weather: { readonly there?: Weather; readonly back?: Weather }): void;
}

export interface TcpProxyOptions {
  /** Where it listens; 127.0.0.1 and any free port unless said. */
  readonly host?: string;
  readonly port?: number;
  /** Of jitter and loss. */
  readonly random?: Random;
}

/** What Linux waits at least before it sends again. */
const RETRANSMIT_MS = 200;
/** A direction that holds so much takes no more: TCP's own pressure goes on through the proxy. */
const HELD_BYTES_MAX = 256 * 1024;

/** @throws Error when it cannot listen */
export async function startTcpProxy(
  target: { readonly host: string; readonly port: number },
  { host = "127.0.0.1", port = 0, random = systemRandom }: TcpProxyOptions = {},
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const lanes = new Set<Lane>();
  const weather: Record<"there" | "back", Weather> = { there: {}, back: {} };
  const server = createServer((near) => {
    const far = connect(target.port, target.host);
    for (const [from, to, way] of [
      [near, far, "there"],
      [far, near, "back"],
    ] as const) {
      const lane = new Lane(from, to, () => weather[way], random);
      sockets.add(from);
      lanes.add(lane);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        lanes.delete(lane);
        to.destroy();
      });
    }
  });
  server.listen(port, host);
  await once(server, "listening");
  const set: TcpProxy["set"] = ({ there = {}, back = {} }) => {
    weather.there = there;
    weather.back = back;
    for (const lane of lanes) lane.look();
  };
  return {
    port: (server.address() as AddressInfo).port, // it listens on a port
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    silence: () => set({ there: { silent: true }, back: { silent: true } }),
    speak: () => set({}),
    set,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** One direction of one connection: pieces in their order, each with the time at which it may go on. */
class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #weather: () => Weather;
  readonly #random: Random;
  /** undefined is the end of what `from` has to say. */
  readonly #held: { readonly piece: Uint8Array | undefined; readonly atMs: number }[] = [];
  #heldBytes = 0;
  #lastAtMs = 0;
  #takeBack: () => void = () => {};

  constructor(from: Socket, to: Socket, weather: () => Weather, random: Random) {
    this.#from = from;
    this.#to = to;
    this.#weather = weather;
    this.#random = random;
    from.setNoDelay(true);
    from.on("data", (piece: Uint8Array) => this.#hold(piece));
    from.on("end", () => this.#hold(undefined));
    from.on("close", () => this.#takeBack());
    to.on("drain", () => this.look());
    this.look();
  }

  /** Passes on what is due, and comes back for the rest. */
  look(): void {
    this.#takeBack();
    const { silent = false } = this.#weather();
    const nowMs = systemClock.now();
    for (let next = this.#held[0]; !silent && next !== undefined && next.atMs <= nowMs; next = this.#held[0]) {
      this.#held.shift();
      if (next.piece === undefined) this.#to.end();
      else this.#to.write(next.piece);
      this.#heldBytes -= next.piece?.byteLength ?? 0;
    }
    if (silent || this.#heldBytes + this.#to.writableLength >= HELD_BYTES_MAX) this.#from.pause();
    else this.#from.resume();
    const [next] = this.#held;
    if (!silent && next !== undefined) this.#takeBack = systemClock.after(next.atMs - nowMs, () => this.look());
  }

  #hold(piece: Uint8Array | undefined): void {
    const { delayMs = 0, jitterMs = 0, loss = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = this.#weather();
    const bytes = piece?.byteLength ?? 0;
    const late =
      delayMs + (jitterMs > 0 ? jitterMs * this.#random.next() : 0) + (loss > 0 && this.#random.next() < loss ? RETRANSMIT_MS : 0);
    this.#lastAtMs = Math.max(systemClock.now() + late, this.#lastAtMs + (bytes / bytesPerSecond) * 1_000);
    this.#held.push({ piece, atMs: this.#lastAtMs });
    this.#heldBytes += bytes;
    this.look();
  }
}
