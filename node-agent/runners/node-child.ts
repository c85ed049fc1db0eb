/** Child processes as Node starts them. */
import { spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import type { Child, ChildEnd, ChildStart } from "./child.ts";
import { CONTROL_FD } from "./control-protocol.ts";

export function startNodeChild({ interpreter, args, environment }: ChildStart): Child {
  const child = spawn(interpreter, args, { stdio: ["ignore", "pipe", "pipe", "pipe"], env: environment });
  const { promise: ended, resolve } = Promise.withResolvers<ChildEnd>();
  child.once("error", ({ message }) => resolve({ code: undefined, signal: undefined, failure: message }));
  child.once("close", (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  return {
    pid: child.pid,
    words: [child.stdout, child.stderr].filter((stream) => stream !== null),
    channel: child.stdio[CONTROL_FD] as Duplex, // "pipe" gives a socket, readable and writable
    ended,
    kill: () => void child.kill("SIGKILL"),
  };
}
