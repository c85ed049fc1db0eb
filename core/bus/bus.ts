/**
 * The bus: small messages, at most once, one way. Submits, control, heartbeats. There are no replies; whoever wants an answer
 * gets it over the link. Adapters: `memory.ts` (and NATS core); all pass `test/contract/bus.ts`.
 */

export interface Subscription {
  unsubscribe(): void;
}

export interface Bus extends AsyncDisposable {
  /** Largest payload in bytes. */
  readonly payloadBytesMax: number;
  /** False while the broker is away: what is published then is lost. */
  readonly connected: boolean;
  /**
   * Sends `payload` to the subscribers of `subject`. Never blocks; messages of one tick leave together.
   * @throws ServingError RESOURCE_EXHAUSTED when the payload is too large.
   */
  publish(subject: string, payload: Uint8Array): void;
  /** `pattern` may end in `.>` (one or more further parts) or have `*` for one part, as in NATS. The payload is the listener's. */
  subscribe(pattern: string, listener: (payload: Uint8Array, subject: string) => void): Subscription;
  /** Called when `connected` changes. */
  onConnection(listener: (connected: boolean) => void): Subscription;
}
