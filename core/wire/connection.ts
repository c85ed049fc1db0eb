/** A socket that speaks frames: dialing, listening, sending without copies, and one word about why it ended. */
import { chmod, rm } from "node:fs/promises";
import net from "node:net";
import tls from "node:tls";
import { ServingError } from "../errors.ts";
import { dialOptions, HANDSHAKE_MS_MAX, type MutualTls, mutualTlsServer } from "../mutual-tls.ts";
import { formatAddress, isLoopback, parseAddress, type SocketAddress } from "./address.ts";
import { type Frame, FrameParser, frameHeader } from "./frame.ts";

export interface ConnectionListener {
  frame(frame: Frame): void;
  /** The other end is gone, gave up or sent nonsense. Called at most once, never after `close`. */
  gone(why: ServingError): void;
}

/** Takes frames and drops them: for the time until somebody listens. */
const NOBODY: ConnectionListener = { frame: () => {}, gone: () => {} };

/** Both ends of the wire hold these; frames of kind `failure` come out as `gone`. */
export class Connection {
  /** Who hears of frames; may be replaced when another owner takes over. */
  listener: ConnectionListener = NOBODY;
  readonly #socket: net.Socket;
  readonly #parser: FrameParser;
  /** Frames that came while the connection was paused, or in the same chunk as the one that made it pause. */
  readonly #backlog: Frame[] = [];
  #paused = false;
  #over = false;

  constructor(socket: net.Socket, payloadBytesMax: number) {
    this.#socket = socket;
    this.#parser = new FrameParser(payloadBytesMax);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    socket.on("error", (error) => this.#end(new ServingError("UNAVAILABLE", `a connection of the wire broke: ${error.message}`)));
    socket.on("close", () => this.#end(new ServingError("UNAVAILABLE", "the other end of the wire closed its connection")));
  }

  get over(): boolean {
    return this.#over;
  }

  /**
   * Sends at once what the kernel takes. The parts must not change until `written` is called; that never happens when the
   * connection breaks first.
   */
  send(frame: Omit<Frame, "payload">, parts: readonly Uint8Array[], written?: () => void): void {
    if (this.#over) return;
    const header = frameHeader(frame, parts);
    const onWritten = (error?: Error | null) => (error === undefined || error === null ? written?.() : undefined);
    if (parts.reduce((sum, part) => sum + part.byteLength, 0) <= JOINED_BYTES_MAX) {
      this.#socket.write(Buffer.concat([header, ...parts]), onWritten);
      return;
    }
    this.#socket.cork();
    this.#socket.write(header);
    for (const part of parts.slice(0, -1)) this.#socket.write(part);
    this.#socket.write(parts.at(-1) ?? header, onWritten);
    this.#socket.uncork();
  }

  /** Tells the other end why, then closes; the own listener hears nothing. */
  fail(epoch: number, why: string): void {
    if (this.#over) return;
    this.send({ kind: "failure", epoch, step: 0 }, [new TextEncoder().encode(why)]);
    this.#over = true;
    this.#socket.end();
    this.#socket.resume(); // what still arrives is thrown away, so that the end is seen
  }

  close(): void {
    this.#over = true;
    this.#socket.destroy();
  }

  /** No frame is given out until `resume`. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
    if (!this.#paused) this.#socket.resume();
  }

  #take(chunk: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#backlog.push(...this.#parser.push(chunk));
    } catch (thrown) {
      this.#end(ServingError.from(thrown));
    }
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#paused && !this.#over) {
      const frame = this.#backlog.shift();
      if (frame === undefined) return;
      try {
        if (frame.kind === "failure") this.#end(new ServingError("UNAVAILABLE", new TextDecoder().decode(frame.payload)));
        else this.listener.frame(frame);
      } catch (thrown) {
        this.#end(ServingError.from(thrown));
      }
    }
  }

  #end(why: ServingError): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.destroy();
    this.listener.gone(why);
  }
}

/** Copying so few bytes costs less than a write of several pieces. */
const JOINED_BYTES_MAX = 16_384;
/** A host that vanishes without a word is noticed by TCP after this and some probes; runners themselves are never pinged. */
const KEEP_ALIVE_MS = 5_000;

export interface ConnectionOptions {
  readonly payloadBytesMax: number;
  /** What `tls:` addresses need; with it, other machines are not talked to in clear. */
  readonly tls?: MutualTls | undefined;
}

/** @throws ServingError UNAVAILABLE when nobody answers at the address, or one end alone has TLS; the signal's reason when that aborts. */
export function dial(address: string, { payloadBytesMax, tls: mutual }: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connectTo(address, mutual);
    const isTls = socket instanceof tls.TLSSocket;
    const onAbort = () => {
      socket.destroy();
      reject(signal.reason);
    };
    const onError = (cause: Error) => {
      signal.removeEventListener("abort", onAbort);
      reject(new ServingError("UNAVAILABLE", `${isTls ? "no TLS with" : "nobody answers at"} ${address}: ${cause.message}`, { cause }));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    if (isTls) socket.setTimeout(HANDSHAKE_MS_MAX, () => socket.destroy(new Error(`no answer within ${HANDSHAKE_MS_MAX} ms`)));
    socket.once(isTls ? "secureConnect" : "connect", () => {
      socket.setTimeout(0);
      signal.removeEventListener("abort", onAbort);
      const connection = new Connection(socket, payloadBytesMax);
      socket.removeListener("error", onError);
      resolve(connection);
    });
  });
}

/** @throws ServingError UNAVAILABLE when one end alone would have TLS. */
function connectTo(address: string, mutual: MutualTls | undefined): net.Socket {
  const to = parseAddress(address);
  if (to.kind === "unix") return net.connect(to.path);
  if (to.kind === "tls") {
    if (mutual === undefined) throw new ServingError("UNAVAILABLE", `${address} asks for TLS, which is not set up here: ${REMEDY}`);
    return tls.connect(dialOptions(mutual, to));
  }
  if (mutual !== undefined && !isLoopback(to.host))
    throw new ServingError("UNAVAILABLE", `${address} talks in clear, which is refused with TLS set up here: ${REMEDY}`);
  return net.connect(to.port, to.host);
}

const REMEDY = "give every agent --link-tls-ca, --link-tls-cert and --link-tls-key";

/** A socket that listens; disposing closes it and takes a unix socket's file away. */
export interface Listening extends AsyncDisposable {
  /** With the port that was found when 0 was asked for. */
  readonly address: string;
}

/** @throws ServingError FAILED_PRECONDITION when the address cannot be had. */
export async function listen(
  address: string,
  options: ConnectionOptions,
  onConnection: (connection: Connection) => void,
): Promise<Listening> {
  const wanted = parseAddress(address);
  const server = serverFor(wanted, options, onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new ServingError("FAILED_PRECONDITION", `cannot listen at ${address}: ${cause.message}`, { cause })),
    );
    if (wanted.kind === "unix") server.listen(wanted.path, resolve);
    else server.listen(wanted.port, wanted.host, resolve);
  });
  server.on("error", () => {}); // one connection could not be accepted: its other end sees that
  if (wanted.kind === "unix") await chmod(wanted.path, 0o600);
  return {
    address: formatAddress(boundAddress(server, wanted)),
    async [Symbol.asyncDispose]() {
      server.close(); // connections are their owners': this only stops taking new ones
      if (wanted.kind === "unix") await rm(wanted.path, { force: true });
    },
  };
}

function serverFor(
  wanted: SocketAddress,
  { payloadBytesMax, tls: mutual }: ConnectionOptions,
  onConnection: (connection: Connection) => void,
): net.Server {
  const welcome = (socket: net.Socket) => onConnection(new Connection(socket, payloadBytesMax));
  if (wanted.kind !== "tls") return net.createServer(welcome);
  if (mutual === undefined) throw new ServingError("FAILED_PRECONDITION", `${formatAddress(wanted)} needs certificates: ${REMEDY}`);
  const stranger = (socket: net.Socket, why: string) => {
    socket.setTimeout(HANDSHAKE_MS_MAX, () => socket.destroy());
    new Connection(socket, 0).fail(0, `this peer was refused: ${why}`);
  };
  return mutualTlsServer(mutual, { welcome, stranger });
}

function boundAddress(server: net.Server, wanted: SocketAddress): SocketAddress {
  const bound = server.address();
  if (wanted.kind === "unix" || bound === null || typeof bound === "string") return wanted;
  return { ...wanted, port: bound.port };
}
