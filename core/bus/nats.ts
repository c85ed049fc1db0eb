/**
 * The bus on NATS core. It is there before its broker: until the first connection, and while the broker is away, `connected` is
 * false and it tries again for ever. The client's request() is never used: it costs a timer and a promise a call.
 */
import { type ConnectionOptions, connect, credsAuthenticator, type Msg, type NatsConnection } from "@nats-io/transport-node";
import type { Clock } from "../clock.ts";
import { ServingError } from "../errors.ts";
import type { Random } from "../random.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Bus, Subscription } from "./bus.ts";
import { JoinedMessages, joinedOverhead, splitMessages } from "./joined-messages.ts";

export interface NatsBusOptions {
  /** `nats://[USER:PASSWORD@]HOST:PORT`; a user without a password is a token. Several are one cluster's servers. */
  readonly urls: readonly string[];
  /** Shown by the broker's monitoring. */
  readonly name: string;
  /** The contents of a .creds file. */
  readonly credentials?: Uint8Array;
  /** Files. Without them TLS is used where the broker offers it, with the system's authorities. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** NATS's own default, for the time before the broker has said its limit. */
const PAYLOAD_BYTES_MAX = 1024 * 1024;
/** A broker that is gone without a word is noticed after two pings without an answer. */
const PING_MS = 2_000;
const CONNECT_MS_MAX = 3_000;
const RECONNECT_MS = 100;
/** Not all at once when a broker comes back. */
const RECONNECT_JITTER_MS = 400;

interface Listening {
  readonly pattern: string;
  readonly listener: (payload: Uint8Array, subject: string) => void;
  /** undefined before the first connection. */
  atBroker: { unsubscribe(): void } | undefined;
}

export class NatsBus implements Bus {
  readonly #options: NatsBusOptions;
  readonly #listening = new Set<Listening>();
  readonly #watchers = new Set<(connected: boolean) => void>();
  /** What was published in this tick, by subject. */
  readonly #outgoing = new Map<string, JoinedMessages>();
  #broker: NatsConnection | undefined;
  #connected = false;
  #closed = false;
  #lastTrouble = "";
  #takeBackRetry: () => void = () => {};

  /** Returns at once; the connection comes when the broker does. @throws ServingError INVALID_ARGUMENT when a URL is none. */
  constructor(options: NatsBusOptions) {
    this.#options = options;
    this.#connect(connectionOptions(options)).catch((thrown) => this.#log(thrown));
  }

  get payloadBytesMax(): number {
    return (this.#broker?.info?.max_payload ?? PAYLOAD_BYTES_MAX) - joinedOverhead(1);
  }

  get connected(): boolean {
    return this.#connected;
  }

  publish(subject: string, payload: Uint8Array): void {
    const limit = this.payloadBytesMax;
    if (payload.byteLength > limit) {
      throw new ServingError(
        "RESOURCE_EXHAUSTED",
        `a message of ${payload.byteLength} bytes on ${subject} is over the bus's limit of ${limit}`,
      );
    }
    if (!this.#connected) return;
    if (this.#outgoing.size === 0) setImmediate(() => this.#flush());
    const waiting = this.#outgoing.get(subject);
    if (waiting !== undefined && waiting.byteLength + payload.byteLength <= limit / 2) {
      waiting.add(payload);
      return;
    }
    if (waiting !== undefined) this.#send(subject, waiting);
    this.#outgoing.set(subject, new JoinedMessages(payload));
  }

  subscribe(pattern: string, listener: (payload: Uint8Array, subject: string) => void): Subscription {
    const listening: Listening = { pattern, listener, atBroker: undefined };
    this.#listening.add(listening);
    if (this.#broker !== undefined) this.#listen(this.#broker, listening);
    return {
      unsubscribe: () => {
        this.#listening.delete(listening);
        listening.atBroker?.unsubscribe();
      },
    };
  }

  onConnection(listener: (connected: boolean) => void): Subscription {
    this.#watchers.add(listener);
    return { unsubscribe: () => void this.#watchers.delete(listener) };
  }

  /** Resolves when the broker has all that was published and subscribed so far; rejects when the connection is lost before. */
  async settled(): Promise<void> {
    this.#flush();
    await this.#broker?.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#takeBackRetry();
    for (const listening of this.#listening) listening.atBroker?.unsubscribe();
    this.#listening.clear();
    this.#watchers.clear();
    if (this.#connected) await this.settled().catch(() => {}); // gone meanwhile: what was published is lost
    this.#closed = true;
    this.#connected = false;
    await this.#broker?.close();
  }

  async #connect(options: ConnectionOptions): Promise<void> {
    try {
      const broker = await connect(options);
      if (this.#closed) return await broker.close();
      this.#broker = broker;
      for (const listening of this.#listening) this.#listen(broker, listening);
      this.#changed(true);
      await this.#follow(broker);
    } catch (thrown) {
      this.#log(thrown);
      if (!this.#closed) this.#takeBackRetry = this.#options.clock.after(this.#retryMs(), () => void this.#connect(options));
    }
  }

  async #follow(broker: NatsConnection): Promise<void> {
    for await (const status of broker.status()) {
      if (status.type === "disconnect") this.#changed(false);
      else if (status.type === "reconnect") this.#changed(true);
      else if (status.type === "error") this.#log(status.error);
    }
  }

  #changed(connected: boolean): void {
    if (this.#closed || this.#connected === connected) return;
    this.#connected = connected;
    const { logger, urls } = this.#options;
    if (connected) {
      this.#lastTrouble = "";
      logger.info({ nats: urls.map(hostOf) }, "connected to NATS");
    } else {
      this.#outgoing.clear();
      logger.warn({ nats: urls.map(hostOf) }, "NATS is gone; trying again until it is back");
    }
    for (const watcher of [...this.#watchers]) watcher(connected);
  }

  /** A trouble that lasts is told once. */
  #log(thrown: unknown): void {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    if (this.#closed || message === this.#lastTrouble) return;
    this.#lastTrouble = message;
    this.#options.logger.warn(
      { nats: this.#options.urls.map(hostOf), trouble: message },
      "NATS does not answer as it should; trying again",
    );
  }

  #listen(broker: NatsConnection, listening: Listening): void {
    const callback = (error: Error | null, message: Msg): void => {
      if (error !== null) this.#log(error);
      else this.#deliver(listening, message);
    };
    listening.atBroker = broker.subscribe(listening.pattern, { callback });
  }

  /** What a listener throws must not reach the client: it would stop reading. */
  #deliver(listening: Listening, { data, subject }: Msg): void {
    // A view that is no Buffer: those slice otherwise, and memory hands none out.
    const { messages, whole } = splitMessages(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const { logger } = this.#options;
    if (!whole)
      logger.warn({ subject, bytes: data.byteLength }, "a message on the bus was not written by us: what does not fit was dropped");
    for (const message of messages) {
      if (!this.#listening.has(listening)) return;
      try {
        listening.listener(message, subject);
      } catch (err) {
        logger.error({ err, subject }, "a message of the bus could not be dealt with");
      }
    }
  }

  #flush(): void {
    for (const [subject, joined] of this.#outgoing) this.#send(subject, joined);
    this.#outgoing.clear();
  }

  #send(subject: string, { payload }: JoinedMessages): void {
    if (this.#connected) this.#broker?.publish(subject, payload);
  }

  #retryMs(): number {
    return RECONNECT_MS + this.#options.random.next() * RECONNECT_JITTER_MS;
  }
}

/** @throws ServingError INVALID_ARGUMENT when a URL is none. */
function connectionOptions({ urls, name, credentials, tls, random }: NatsBusOptions): ConnectionOptions {
  const parsed = urls.map(parseNatsUrl);
  const login = parsed.find(({ username }) => username !== "");
  const user = login === undefined ? undefined : decodeURIComponent(login.username);
  const secure = tls !== undefined || parsed.some(({ protocol }) => protocol === "tls:");
  return {
    servers: parsed.map(({ host }) => host),
    name,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => RECONNECT_MS + random.next() * RECONNECT_JITTER_MS,
    ignoreAuthErrorAbort: true, // rights may be given back
    pingInterval: PING_MS,
    maxPingOut: 2,
    timeout: CONNECT_MS_MAX,
    ...(secure ? { tls: tls ?? {} } : {}),
    ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(credentials) }),
    ...(user === undefined ? {} : login?.password === "" ? { token: user } : { user, pass: decodeURIComponent(login?.password ?? "") }),
  };
}

const hostOf = (url: string): string => parseNatsUrl(url).host;

/** @throws ServingError INVALID_ARGUMENT when the text is no URL of a NATS server. */
export function parseNatsUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if ((url?.protocol !== "nats:" && url?.protocol !== "tls:") || url.hostname === "")
    throw new ServingError(
      "INVALID_ARGUMENT",
      `${JSON.stringify(withoutLogin(text))} is no NATS server: write nats://HOST:PORT or tls://HOST:PORT`,
    );
  return url;
}

/** Passwords are not shown. */
const withoutLogin = (text: string): string => text.replace(/^([^/]*\/\/)?.*@/, "$1");
