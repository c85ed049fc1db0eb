/** Whole servers as processes of their own, ours and the peer's, each ready to answer chats when its start returns. */
import { fileURLToPath } from "node:url";
import type { BenchContext } from "../context.ts";
import { type Program, startServer } from "../program.ts";

export interface ChatServer extends AsyncDisposable {
  /** `http://HOST:PORT`. */
  readonly url: string;
  /** Of the process that clients talk to. */
  readonly pid: number;
}

export interface OurShape {
  readonly nodes: number;
  readonly stages: number;
  /** Of each stage. */
  readonly threads: number;
  readonly slots: number;
  /** Positions of a slot; undefined: all that the model has. */
  readonly contextLength?: number;
}

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const START_LIMIT_MS = 180_000;

/** What the banner of `nereid up` says when the cluster is ready. */
export const OUR_ADDRESS = /HTTP +(http:\/\/\S+)/;

/** `nereid up`, with native weights and its own defaults but for the shape. */
export function startOurServer(context: BenchContext, shape: OurShape): Promise<ChatServer> {
  const { contextLength, ...counts } = shape;
  const flags = [
    ...Object.entries(counts).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...(contextLength === undefined ? [] : ["--context-length", String(contextLength)]),
    ...["--prefix-cache-tokens", "0"], // every prompt is computed, as it is at the engine
    ...["--port", "0", "--grpc-port", "0", "--metrics-port", "0", "--model", context.model],
  ];
  return started(context, process.execPath, [MAIN, "up", ...flags], OUR_ADDRESS);
}

/** llama-server with its own defaults but for threads and slots. */
export async function startTheirServer(
  context: BenchContext,
  { threads, slots }: { readonly threads: number; readonly slots: number },
): Promise<ChatServer> {
  const peer = await context.peer();
  const flags = ["-m", context.modelFile, "--host", "127.0.0.1", "--port", "0", "-t", String(threads), "-np", String(slots)];
  return await started(context, peer.tool("llama-server"), flags, /listening on (http:\/\/\S+)/);
}

async function started(context: BenchContext, program: string, args: readonly string[], address: RegExp): Promise<ChatServer> {
  const options = { signal: context.signal, limitMs: START_LIMIT_MS };
  const { program: running, match } = await startServer(program, args, address, options);
  return chatServer(running, match[1] ?? "");
}

export function chatServer(program: Program, url: string): ChatServer {
  return { url, pid: program.pid, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}
