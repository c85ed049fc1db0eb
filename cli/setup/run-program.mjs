/**
 * Runs a program in our place: its terminal is ours, it gets the signals that we get, its exit code becomes ours.
 *
 * One Ctrl-C reaches us up to three times: from the terminal, from npm, which passes it on, and the program gets it from the
 * terminal as well. So signals that come close together count as one, and programs on the other side do the same (cli/stop.ts).
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { compileCache } from "./compile-cache.mjs";
import { SetupError } from "./say.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const SAME_SIGNAL_MS = 300;

/**
 * @param {{cwd: string, interruptedByTerminal?: boolean}} options interruptedByTerminal: the program does not know that
 * signals come twice, so what the terminal sends to it is not sent again
 * @returns {Promise<number>} the exit code, 128 + n for signal n
 */
export function runProgram(program, args, { cwd, interruptedByTerminal = false }) {
  return new Promise((resolve, reject) => {
    // Programs watch their parent when npm started them (parent-watch.mjs); for ours we stand in for npm.
    const { npm_lifecycle_event = "setup" } = process.env;
    const env = { ...process.env, npm_lifecycle_event, NODE_COMPILE_CACHE: compileCache(process.env) };
    const child = spawn(program, args, { cwd, env, stdio: "inherit", shell: process.platform === "win32" });
    const lastMs = new Map();
    const forward = (signal) => {
      const nowMs = performance.now();
      const repeated = nowMs - (lastMs.get(signal) ?? Number.NEGATIVE_INFINITY) < SAME_SIGNAL_MS;
      lastMs.set(signal, nowMs);
      const terminalSentIt = interruptedByTerminal && signal === "SIGINT" && process.stdin.isTTY;
      if (!repeated && !terminalSentIt) child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, forward);
    const settle = () => {
      for (const signal of SIGNALS) process.off(signal, forward);
    };
    child.on("error", (cause) => {
      settle();
      reject(new SetupError(`${program} cannot be started (${cause.message}): delete node_modules and run this again`, { cause }));
    });
    child.on("exit", (code, signal) => {
      settle();
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
