/**
 * One connection to Redis for the store's adapters: reconnects, limits each command's time, runs transitions (Lua scripts by
 * digest), and tells with each answer which incarnation of the store gave it. Failures are UNAVAILABLE: whether a transition was
 * made that was not answered is unknown.
 */
import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { ServingError } from "../errors.ts";
import type { Random } from "../random.ts";
import type { Logger } from "../telemetry/logger.ts";

const COMMAND_TIMEOUT_MS = 100;
const RECONNECT_FIRST_MS = 20;
const RECONNECT_LAST_MS = 1_000;
/** A server that answers nothing for so long while commands wait is dialed again. */
const SILENCE_MS = 3_000;

export interface RedisConnectionOptions {
  /** `redis://`, or `rediss://` for TLS, with an ACL user: `rediss://user:password@host:6379/0`. A CA of one's own: NODE_EXTRA_CA_CERTS. */
  readonly url: string;
  /** 100 ms unless said. */
  readonly timeoutMs?: number;
}

/** One transition of the store. Numbers that it returns must be whole. */
export interface Transition {
  /** For errors. */
  readonly name: string;
  /** Body of a Lua function over KEYS and ARGV. */
  readonly lua: string;
}

export interface TransitionAnswer<Reply = unknown> {
  /** Random; another one: the store was emptied since. */
  readonly incarnation: string;
  /** Texts, whole numbers, nulls, and lists of them; undefined when the script returned nil. */
  readonly reply: Reply;
}

type Argument = string | number | Uint8Array;

const PREFIX = "nereid";
/** Which life of the store this is: an emptied one gets another. */
const INCARNATION_KEY = `${PREFIX}:incarnation`;

/** Names that clients chose are encoded, so that none is taken for another key. */
export function storeKey(kind: string, ...names: readonly string[]): string {
  return [PREFIX, kind, ...names.map((name) => Buffer.from(name).toString("base64url"))].join(":");
}

export class RedisConnection implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #where: string;
  readonly #random: Random;
  readonly #digests = new Map<Transition, Script>();

  constructor(options: RedisConnectionOptions, deps: { readonly random: Random; readonly logger: Logger }) {
    const { url, timeoutMs = COMMAND_TIMEOUT_MS } = options;
    this.#where = placeOf(url);
    this.#random = deps.random;
    this.#redis = new Redis(url, {
      commandTimeout: timeoutMs,
      socketTimeout: Math.max(SILENCE_MS, timeoutMs),
      enableOfflineQueue: false, // what cannot be sent now fails now
      enableReadyCheck: false, // INFO is not ours to call; a server that is still loading answers LOADING
      autoResendUnfulfilledCommands: false, // it may have been executed
      maxRetriesPerRequest: 0,
      disableClientInfo: true,
      retryStrategy: (times) => Math.min(RECONNECT_LAST_MS, RECONNECT_FIRST_MS * 2 ** Math.min(times, 10)),
    });
    let away = false;
    this.#redis.on("error", (err: Error) => {
      if (!away) deps.logger.warn({ err, store: this.#where }, "the store is away");
      away = true;
    });
    this.#redis.on("ready", () => {
      if (away) deps.logger.info({ store: this.#where }, "the store is back");
      away = false;
    });
  }

  /** Whether commands can be sent; one that is does not have to answer. */
  get connected(): boolean {
    return this.#redis.status === "ready";
  }

  /** Called when commands can be sent, and when they cannot any more. @returns what stops the calls */
  onConnection(listener: (connected: boolean) => void): () => void {
    const [up, down] = [() => listener(true), () => listener(false)];
    this.#redis.on("ready", up).on("close", down);
    return () => void this.#redis.off("ready", up).off("close", down);
  }

  /**
   * Runs a transition as a whole, or not at all.
   * @throws ServingError UNAVAILABLE when the store is away or slow (then it may have been made), PERMISSION_DENIED when its user may not.
   */
  async run(transition: Transition, keys: readonly string[], args: readonly Argument[]): Promise<TransitionAnswer> {
    return answerOf(await this.#call(transition, keys, args, (command, sent) => this.#redis.call(command, sent)));
  }

  /** As `run`, with bytes instead of texts in the answer. */
  async runBytes(transition: Transition, keys: readonly string[], args: readonly Argument[]): Promise<TransitionAnswer> {
    return answerOf(await this.#call(transition, keys, args, (command, sent) => this.#redis.callBuffer(command, sent)));
  }

  async #call(
    transition: Transition,
    keys: readonly string[],
    args: readonly Argument[],
    call: (command: string, args: (string | number | Buffer)[]) => Promise<unknown>,
  ): Promise<unknown> {
    const script = this.#script(transition);
    const all = [...args, this.#random.id()].map((arg) =>
      arg instanceof Uint8Array ? Buffer.from(arg.buffer, arg.byteOffset, arg.byteLength) : arg,
    );
    const sent = [script.digest, keys.length + 1, ...keys, INCARNATION_KEY, ...all];
    try {
      return await call("EVALSHA", sent).catch(async (thrown: unknown) => {
        if (!isReply(thrown, "NOSCRIPT")) throw thrown;
        await this.#redis.call("SCRIPT", "LOAD", script.lua); // the server was started again since
        return await call("EVALSHA", sent);
      });
    } catch (thrown) {
      throw this.#failure(transition, thrown);
    }
  }

  #script(transition: Transition): Script {
    const known = this.#digests.get(transition);
    if (known !== undefined) return known;
    const lua = whole(transition.lua);
    const script = { lua, digest: createHash("sha1").update(lua).digest("hex") };
    this.#digests.set(transition, script);
    return script;
  }

  #failure({ name }: Transition, cause: unknown): ServingError {
    const told = cause instanceof Error ? cause.message : String(cause);
    if (isReply(cause, "NOPERM") || isReply(cause, "NOAUTH") || isReply(cause, "WRONGPASS")) {
      return new ServingError("PERMISSION_DENIED", `the store at ${this.#where} refuses '${name}': ${told}: check its ACL user`, {
        cause,
        reason: "store_denied",
      });
    }
    const isDefect = isReply(cause) && !/^(LOADING|BUSY|READONLY|MASTERDOWN|OOM|MISCONF|CLUSTERDOWN|TRYAGAIN)/.test(told);
    if (isDefect) return new ServingError("INTERNAL", `the store refuses '${name}': ${told}`, { cause });
    return new ServingError("UNAVAILABLE", `the store at ${this.#where} did not answer '${name}' (${told}): try again`, {
      cause,
      reason: "store_unavailable",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect();
  }
}

interface Script {
  readonly lua: string;
  readonly digest: string;
}

/** The store's incarnation goes with every answer; an empty store gets one. */
const whole = (lua: string): string => `
local incarnation = redis.call('GET', KEYS[#KEYS])
if not incarnation then
  incarnation = ARGV[#ARGV]
  redis.call('SET', KEYS[#KEYS], incarnation)
end
local function transition() ${lua} end
return {incarnation, transition()}
`;

function answerOf(value: unknown): TransitionAnswer {
  const [incarnation, reply]: readonly unknown[] = Array.isArray(value) ? value : [];
  return { incarnation: String(incarnation), reply };
}

/** The server's own word, in contrast to a connection that is not there. */
const isReply = (thrown: unknown, word = ""): boolean =>
  thrown instanceof Error && thrown.name === "ReplyError" && thrown.message.startsWith(word);

/** Without user and password. */
function placeOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
