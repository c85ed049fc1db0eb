/**
 * The bus inside one process: what an embedded cluster and tests run on. It hides nothing that a broker does: bytes are copied,
 * delivery is on a later turn, payloads have a limit, and it drops, delays and disconnects on command.
 */
import { pooledCopy } from "../bytes/pooled-bytes.ts";
import type { Clock } from "../clock.ts";
import { ServingError } from "../errors.ts";
import type { Bus, Subscription } from "./bus.ts";
import { type SubjectPattern, subjectPattern } from "./subject-pattern.ts";

const PAYLOAD_BYTES_MAX = 1024 * 1024; // NATS's default max_payload

interface Message {
  readonly subject: string;
  readonly payload: Uint8Array;
}

interface Subscriber {
  readonly matches: SubjectPattern;
  readonly listener: (payload: Uint8Array, subject: string) => void;
}

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  readonly payloadBytesMax?: number;
}

export class MemoryBroker {
  readonly #clock: Clock;
  readonly #payloadBytesMax: number;
  readonly #buses = new Set<MemoryBus>();
  readonly #subscribers = new Set<Subscriber>();
  #connected = true;
  /** Counts disconnections: what was under way at one is lost. */
  #era = 0;
  #delayMs = 0;
  #drops: (subject: string, payload: Uint8Array) => boolean = () => false;

  constructor(options: MemoryBrokerOptions) {
    this.#clock = options.clock;
    this.#payloadBytesMax = options.payloadBytesMax ?? PAYLOAD_BYTES_MAX;
  }

  connect(): Bus {
    const bus: MemoryBus = new MemoryBus({
      payloadBytesMax: this.#payloadBytesMax,
      connected: () => this.#connected && this.#buses.has(bus),
      send: (messages) => this.#carry(messages),
      subscribe: (subscriber) => {
        this.#subscribers.add(subscriber);
        return () => this.#subscribers.delete(subscriber);
      },
      leave: () => this.#buses.delete(bus),
    });
    this.#buses.add(bus);
    return bus;
  }

  /** The broker goes away: what is under way is lost, and so is what is published until it is back. */
  disconnect(): void {
    this.#setConnected(false);
  }

  reconnect(): void {
    this.#setConnected(true);
  }

  /** Loses the messages that `predicate` names, until it is replaced. */
  drop(predicate: (subject: string, payload: Uint8Array) => boolean): void {
    this.#drops = predicate;
  }

  /** Messages published from now on take this long. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.#era++;
    setImmediate(() => {
      for (const bus of this.#buses) bus.tell(connected);
    });
  }

  #carry(messages: readonly Message[]): void {
    const era = this.#era;
    const arrive = () => {
      if (this.#era === era) for (const message of messages) this.#deliver(message);
    };
    if (this.#delayMs > 0) this.#clock.after(this.#delayMs, arrive);
    else arrive();
  }

  #deliver({ subject, payload }: Message): void {
    if (this.#drops(subject, payload)) return;
    const wanting = [...this.#subscribers].filter(({ matches }) => matches(subject));
    for (const subscriber of wanting) {
      // Each has bytes of its own; the only one those that were published.
      if (this.#subscribers.has(subscriber)) subscriber.listener(wanting.length === 1 ? payload : pooledCopy(payload), subject);
    }
  }
}

interface Connection {
  readonly payloadBytesMax: number;
  connected(): boolean;
  send(messages: readonly Message[]): void;
  subscribe(subscriber: Subscriber): () => void;
  leave(): void;
}

class MemoryBus implements Bus {
  readonly payloadBytesMax: number;
  readonly #connection: Connection;
  readonly #letGo = new Set<() => void>();
  readonly #watchers = new Set<(connected: boolean) => void>();
  #outgoing: Message[] = [];

  constructor(connection: Connection) {
    this.payloadBytesMax = connection.payloadBytesMax;
    this.#connection = connection;
  }

  get connected(): boolean {
    return this.#connection.connected();
  }

  publish(subject: string, payload: Uint8Array): void {
    if (payload.byteLength > this.payloadBytesMax) {
      throw new ServingError(
        "RESOURCE_EXHAUSTED",
        `a message of ${payload.byteLength} bytes on ${subject} is over the bus's limit of ${this.payloadBytesMax}`,
      );
    }
    if (!this.connected) return;
    this.#outgoing.push({ subject, payload: pooledCopy(payload) });
    if (this.#outgoing.length === 1) setImmediate(() => this.#flush());
  }

  subscribe(pattern: string, listener: (payload: Uint8Array, subject: string) => void): Subscription {
    const unsubscribe = this.#connection.subscribe({ matches: subjectPattern(pattern), listener });
    this.#letGo.add(unsubscribe);
    return {
      unsubscribe: () => {
        unsubscribe();
        this.#letGo.delete(unsubscribe);
      },
    };
  }

  onConnection(listener: (connected: boolean) => void): Subscription {
    this.#watchers.add(listener);
    return { unsubscribe: () => void this.#watchers.delete(listener) };
  }

  tell(connected: boolean): void {
    for (const watcher of [...this.#watchers]) watcher(connected);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve)); // what was published leaves first
    for (const unsubscribe of this.#letGo) unsubscribe();
    this.#letGo.clear();
    this.#watchers.clear();
    this.#connection.leave();
  }

  /** All messages of one turn of the event loop leave together. */
  #flush(): void {
    const messages = this.#outgoing;
    this.#outgoing = [];
    if (messages.length > 0 && this.connected) this.#connection.send(messages);
  }
}
