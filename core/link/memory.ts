/**
 * Links inside one process: what an embedded cluster and tests run on. Bytes pass encoded, on a later turn, in order; they are
 * delayed, held back and cut on command. As TCP does, a partition loses nothing until the silence kills the link.
 */
import type { Clock } from "../clock.ts";
import { ServingError } from "../errors.ts";
import type { Random } from "../random.ts";
import { LINK_SILENCE_MS, LINK_SUSPECT_MS, type Link, type LinkListener, type LinkNetwork } from "./link.ts";
import { type Carrier, Multiplexer } from "./multiplexer.ts";

export interface MemoryLinksOptions {
  readonly clock: Clock;
  readonly random: Random;
}

interface Transit {
  readonly dueMs: number;
  /** undefined: the sender closes. */
  readonly chunk: Uint8Array | undefined;
}

/** One direction of a connection. */
class MemoryCarrier implements Carrier {
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  #transit: Transit[] = [];
  #scheduled = false;
  #held = false;
  #cut = false;
  #closing = false;
  unsentBytes = 0;
  #arrived: (chunk: Uint8Array | undefined) => void = () => {};
  #left: () => void = () => {};

  constructor(clock: Clock, delayMs: () => number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** Where chunks go, and what to call when some have left. */
  connect(arrived: (chunk: Uint8Array | undefined) => void, left: () => void): void {
    this.#arrived = arrived;
    this.#left = left;
  }

  send(chunk: Uint8Array): void {
    this.unsentBytes += chunk.byteLength;
    this.#push(chunk);
  }

  close(): void {
    this.#push(undefined);
    this.#closing = true;
  }

  hold(held: boolean): void {
    this.#held = held;
    this.#schedule();
  }

  /** Loses what is under way and all that follows. */
  cut(): void {
    this.#cut = true;
    this.#transit = [];
  }

  #push(chunk: Uint8Array | undefined): void {
    if (this.#closing || this.#cut) return;
    const lastMs = this.#transit.at(-1)?.dueMs ?? Number.NEGATIVE_INFINITY;
    this.#transit.push({ dueMs: Math.max(lastMs, this.#clock.now() + this.#delayMs()), chunk });
    this.#schedule();
  }

  #schedule(): void {
    const first = this.#transit[0];
    if (this.#scheduled || this.#held || first === undefined) return;
    this.#scheduled = true;
    const waitMs = first.dueMs - this.#clock.now();
    if (waitMs > 0) this.#clock.after(waitMs, () => this.#deliver());
    else setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    this.#scheduled = false;
    const nowMs = this.#clock.now();
    for (let next = this.#transit[0]; !this.#held && next !== undefined && next.dueMs <= nowMs; next = this.#transit[0]) {
      this.#transit.shift();
      this.unsentBytes -= next.chunk?.byteLength ?? 0;
      this.#arrived(next.chunk);
    }
    this.#schedule();
    if (!this.#cut) this.#left();
  }
}

/** A connection with both its directions, as faults see it. */
interface Connection {
  readonly address: string;
  hold(held: boolean): void;
  suspect(): void;
  trust(): void;
  disconnect(reason: string): void;
}

export class MemoryLinks implements LinkNetwork {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listeners = new Map<string, (link: Link) => void>();
  readonly #connections = new Set<Connection>();
  /** Addresses that are cut off, with what takes the silence's deadline back. */
  readonly #partitions = new Map<string, () => void>();
  /** Dials that wait for a partition to heal. */
  readonly #onHeal = new Set<() => void>();
  #listenersMade = 0;
  #delayMs = 0;

  constructor(options: MemoryLinksOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
  }

  async listen(onLink: (link: Link) => void): Promise<LinkListener> {
    const address = `memory:${++this.#listenersMade}`;
    this.#listeners.set(address, onLink);
    return {
      address,
      [Symbol.asyncDispose]: async () => {
        this.#listeners.delete(address);
        this.disconnect(address);
      },
    };
  }

  async dial(address: string, signal: AbortSignal): Promise<Link> {
    signal.throwIfAborted();
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#partitions.has(address)) await this.#healed(signal);
    signal.throwIfAborted();
    const onLink = this.#listeners.get(address);
    if (onLink === undefined) throw new ServingError("UNAVAILABLE", `nobody answers at ${address}`);
    return this.#connect(address, onLink);
  }

  /** Cuts the connections to `address`; undefined: all. What is under way is lost. */
  disconnect(address?: string): void {
    for (const connection of [...this.#connections]) {
      if (address === undefined || connection.address === address) connection.disconnect("the connection was cut");
    }
  }

  /** Bytes sent from now on take this long. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Silence to and from `address`: bytes wait; the links die when it lasts. Dials wait too. */
  partition(address: string): void {
    if (this.#partitions.has(address)) return;
    for (const connection of this.#at(address)) connection.hold(true);
    const suspect = () => {
      for (const connection of this.#at(address)) connection.suspect();
    };
    const die = () => {
      for (const connection of this.#at(address)) connection.disconnect(`silent for ${LINK_SILENCE_MS} ms`);
    };
    const takeBack = [this.#clock.after(LINK_SUSPECT_MS, suspect), this.#clock.after(LINK_SILENCE_MS, die)];
    this.#partitions.set(address, () => takeBack.forEach((take) => void take()));
  }

  heal(address: string): void {
    this.#partitions.get(address)?.();
    this.#partitions.delete(address);
    for (const connection of this.#at(address)) {
      connection.trust();
      connection.hold(false);
    }
    for (const wake of [...this.#onHeal]) wake();
  }

  #at(address: string): readonly Connection[] {
    return [...this.#connections].filter((connection) => connection.address === address);
  }

  #healed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#onHeal.delete(done);
        signal.removeEventListener("abort", done);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      this.#onHeal.add(done);
      signal.addEventListener("abort", done);
    });
  }

  #connect(address: string, onLink: (link: Link) => void): Link {
    const session = this.#random.id();
    const [up, down] = [new MemoryCarrier(this.#clock, () => this.#delayMs), new MemoryCarrier(this.#clock, () => this.#delayMs)];
    const dialer = new Multiplexer(session, up);
    const answerer = new Multiplexer(session, down);
    let suspect = false;
    const connection: Connection = {
      address,
      hold: (held) => {
        up.hold(held);
        down.hold(held);
      },
      suspect: () => {
        suspect = true;
        dialer.suspected();
        answerer.suspected();
      },
      trust: () => {
        if (!suspect) return;
        suspect = false;
        dialer.trusted();
        answerer.trusted();
      },
      disconnect: (reason) => {
        this.#connections.delete(connection);
        up.cut();
        down.cut();
        setImmediate(() => {
          dialer.lost(reason);
          answerer.lost(reason);
        });
      },
    };
    const arrive = (at: Multiplexer) => (chunk: Uint8Array | undefined) => {
      if (chunk !== undefined) at.received(chunk);
      else {
        this.#connections.delete(connection);
        at.lost("closed by the peer");
      }
    };
    up.connect(arrive(answerer), () => dialer.drained());
    down.connect(arrive(dialer), () => answerer.drained());
    this.#connections.add(connection);
    onLink(answerer);
    return dialer;
  }
}
