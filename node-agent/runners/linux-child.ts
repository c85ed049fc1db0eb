/**
 * Child processes on Linux, started by `posix_spawn`: the child borrows this process's memory until it executes its program. Node
 * forks instead, which copies all page tables, and then every page that is written to: with 300 MB that takes 20 ms at once and
 * 120 ms more of whatever this process does next.
 */
import { Socket } from "node:net";
import { constants } from "node:os";
import { getSystemErrorMessage } from "node:util";
import koffi from "koffi";
import type { Child, ChildEnd, ChildStart } from "./child.ts";
import { CONTROL_FD } from "./control-protocol.ts";

const [STDIN, STDOUT, STDERR] = [0, 1, 2];
const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0x80001;
const O_RDONLY = 0;
const WNOHANG = 1;
/** A `posix_spawn_file_actions_t` has 80, of glibc and of musl. */
const FILE_ACTIONS_BYTES = 256;
/** Its sockets are closed already: it is as good as gone. */
const REAP_AGAIN_MS = 1;

export function startLinuxChild({ interpreter, args, environment, input, clock }: ChildStart): Child {
  const [output, errors, channel] = [socketPair(), socketPair(), socketPair()];
  const theirs = [output.theirs, errors.theirs, channel.theirs];
  const { pid, failure } = execute([interpreter, ...args], environment, { input, theirs });
  for (const file of theirs) libC().close(file);
  const { promise: ended, resolve } = Promise.withResolvers<ChildEnd>();
  let alive = pid !== undefined;
  if (failure !== undefined) resolve({ code: undefined, signal: undefined, failure });
  const reap = (): void => {
    if (pid === undefined) return;
    const end = endOf(pid);
    if (end === undefined) {
      clock.after(REAP_AGAIN_MS, reap);
      return;
    }
    alive = false;
    resolve(end);
  };
  let open = theirs.length;
  for (const { ours } of [output, errors, channel]) {
    ours.once("close", () => {
      open -= 1;
      if (open === 0) reap();
    });
  }
  return {
    pid,
    words: [output.ours, errors.ours],
    channel: channel.ours,
    ended,
    kill: () => void (alive && pid !== undefined && process.kill(pid, "SIGKILL")),
  };
}

/** No other child inherits either end. @returns a closed socket and no file where the limit of open files is reached */
function socketPair(): { readonly ours: Socket; readonly theirs: number } {
  const pair = Int32Array.of(-1, -1);
  libC().socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair);
  const [ours = -1, theirs = -1] = pair;
  return { ours: ours < 0 ? new Socket().destroy() : new Socket({ fd: ours }), theirs };
}

/** @param command the interpreter first @param files its standard input, if it has one; its standard output, standard error and channel */
function execute(
  command: readonly [string, ...string[]],
  environment: NodeJS.ProcessEnv,
  { input, theirs }: { readonly input: number | undefined; readonly theirs: readonly number[] },
): { readonly pid?: number; readonly failure?: string } {
  if (theirs.some((file) => file < 0)) return { failure: getSystemErrorMessage(-constants.errno.EMFILE) };
  const { posixSpawn, fileActions } = libC();
  const actions = new Uint8Array(FILE_ACTIONS_BYTES);
  fileActions.init(actions);
  if (input === undefined) fileActions.addOpen(actions, STDIN, "/dev/null", O_RDONLY, 0);
  else fileActions.addDup2(actions, input, STDIN);
  // The channel last: its descriptor may be that of another end, as the standard ones cannot.
  for (const [index, file] of [STDOUT, STDERR, CONTROL_FD].entries()) fileActions.addDup2(actions, theirs[index], file);
  const variables = Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const pid = new Int32Array(1);
  const error: number = posixSpawn(pid, command[0], actions, null, [...command, null], [...variables, null]);
  fileActions.destroy(actions);
  return error === 0 ? { pid: pid[0] ?? 0 } : { failure: getSystemErrorMessage(-error) };
}

/** @returns undefined while it is not gone */
function endOf(pid: number): ChildEnd | undefined {
  const status = new Int32Array(1);
  const gone: number = libC().waitpid(pid, status, WNOHANG);
  if (gone === 0) return undefined;
  const [word = 0] = status;
  const number = word & 0x7f;
  if (number === 0) return { code: (word >> 8) & 0xff, signal: undefined };
  const signal = Object.entries(constants.signals).find(([, of]) => of === number)?.[0];
  return { code: undefined, signal: signal ?? `signal ${number}` };
}

let linked: ReturnType<typeof link> | undefined;

function libC(): ReturnType<typeof link> {
  linked ??= link();
  return linked;
}

function link() {
  const library = koffi.load(null); // Node itself is linked to the C library, whichever it is
  return {
    socketpair: library.func("int socketpair(int, int, int, int*)"),
    close: library.func("int close(int)"),
    waitpid: library.func("int waitpid(int, int*, int)"),
    posixSpawn: library.func("int posix_spawnp(int*, const char*, void*, void*, const char**, const char**)"),
    fileActions: {
      init: library.func("int posix_spawn_file_actions_init(void*)"),
      addOpen: library.func("int posix_spawn_file_actions_addopen(void*, int, const char*, int, unsigned int)"),
      addDup2: library.func("int posix_spawn_file_actions_adddup2(void*, int, int)"),
      destroy: library.func("int posix_spawn_file_actions_destroy(void*)"),
    },
  };
}
