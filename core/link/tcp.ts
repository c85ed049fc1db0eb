/** Links over TCP, with TLS where both ends are given certificates. */
import net, { type AddressInfo, type Socket } from "node:net";
import tls from "node:tls";
import type { PeerNames } from "../certificate-names.ts";
import type { Clock } from "../clock.ts";
import { ServingError } from "../errors.ts";
import { dialOptions, type MutualTls, mutualTlsServer } from "../mutual-tls.ts";
import type { Random } from "../random.ts";
import { formatAddress, parseAddress } from "../wire/address.ts";
import type { Link, LinkListener, LinkNetwork } from "./link.ts";
import { answerHello, decodeHello, encodeHello, HELLO_BYTES, LINK_PROTOCOL } from "./link-hello.ts";
import { socketLink } from "./socket-link.ts";

export interface TcpLinksOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Where `listen` listens; 127.0.0.1 unless said. */
  readonly host?: string;
  /** 0, or left out: any free port. */
  readonly port?: number;
  /** What others dial, where that is not `host`. */
  readonly advertiseHost?: string;
  readonly tls?: MutualTls | undefined;
  /** Who may dial, with TLS; everybody of the authority unless said. */
  readonly dialers?: PeerNames | undefined;
}

const HELLO_MS_MAX = 1_000;
/** Connections that have not said who they are. */
const STRANGERS_MAX = 256;

export function tcpLinks(options: TcpLinksOptions): LinkNetwork {
  return { dial: (address, signal) => dial(address, signal, options), listen: (onLink) => listen(onLink, options) };
}

async function dial(address: string, signal: AbortSignal, { clock, random, tls: mutual }: TcpLinksOptions): Promise<Link> {
  signal.throwIfAborted();
  const to = parseAddress(address);
  if (to.kind !== "tcp") throw new ServingError("UNAVAILABLE", `${address} cannot be dialed: links over TCP have tcp:HOST:PORT`);
  const session = random.id();
  const stream = mutual === undefined ? net.connect(to.port, to.host) : tls.connect(dialOptions(mutual, to));
  stream.on("error", () => {}); // TLS that ends before its handshake says so once more when `readHello` has
  const onAbort = () => stream.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    stream.setNoDelay(true);
    stream.write(encodeHello({ protocol: LINK_PROTOCOL, session }));
    const { hello, rest } = await readHello(stream);
    signal.throwIfAborted();
    if (decodeHello(hello).session !== session) throw new ServingError("UNAVAILABLE", "the answer is for another session");
    return socketLink(stream, session, clock, rest);
  } catch (cause) {
    stream.destroy();
    signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : String(cause);
    const hint = mutual === undefined ? "" : "; if our certificate is not believed there, its log says so";
    throw new ServingError("UNAVAILABLE", `no link to ${address}: ${why}${hint}`, { cause });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function listen(onLink: (link: Link) => void, options: TcpLinksOptions): Promise<LinkListener> {
  const { clock, host = "127.0.0.1", port = 0, advertiseHost = host, tls: mutual, dialers } = options;
  const sockets = new Set<Socket>();
  let strangers = 0;
  const welcome = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    if (strangers >= STRANGERS_MAX) {
      socket.destroy();
      return;
    }
    strangers += 1;
    const takeBack = clock.after(HELLO_MS_MAX, () => socket.destroy());
    accept(socket, clock)
      .then(onLink, () => socket.destroy())
      .finally(() => {
        takeBack();
        strangers -= 1;
      });
  };
  const server =
    mutual === undefined
      ? net.createServer(welcome)
      : mutualTlsServer(mutual, { welcome, stranger: (socket) => socket.destroy(), names: dialers });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(cannotListen(cause, host, port)));
    server.listen(port, host, resolve);
  });
  server.on("error", () => {}); // one connection could not be accepted: its other end sees that
  return {
    address: formatAddress({ kind: "tcp", host: advertiseHost, port: boundPort(server) }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function accept(socket: Socket, clock: Clock): Promise<Link> {
  socket.setNoDelay(true);
  const { hello, rest } = await readHello(socket);
  const answer = answerHello(decodeHello(hello));
  socket.write(encodeHello(answer));
  return socketLink(socket, answer.session, clock, rest);
}

interface Greeting {
  readonly hello: Uint8Array;
  /** What came behind it. */
  readonly rest: Uint8Array;
}

/** The socket is paused afterwards, and nobody listens to it. */
function readHello(socket: Socket): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const settle = () => {
      socket.off("data", onData).off("error", onError).off("close", onClose).off("end", onClose);
      socket.pause();
    };
    const onData = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.byteLength < HELLO_BYTES) return;
      settle();
      resolve({ hello: bytes.subarray(0, HELLO_BYTES), rest: bytes.subarray(HELLO_BYTES) });
    };
    const onError = (error: Error) => {
      settle();
      reject(error);
    };
    const onClose = () => onError(new Error("the peer closed the connection"));
    socket.on("data", onData).on("error", onError).on("close", onClose).on("end", onClose);
  });
}

function boundPort(server: net.Server): number {
  const bound: AddressInfo | string | null = server.address();
  return bound === null || typeof bound === "string" ? 0 : bound.port;
}

function cannotListen(cause: Error, host: string, port: number): ServingError {
  const taken = "code" in cause && cause.code === "EADDRINUSE";
  const remedy = taken ? "it is in use: stop the program that holds it, or choose another port" : cause.message;
  return new ServingError("FAILED_PRECONDITION", `cannot listen for links on ${host} port ${port}: ${remedy}`, { cause });
}
