/**
 * Notices that the npm that started us is gone: killed, it cannot tell us any more. Only under npm; who starts a command by hand
 * may well go away and leave it running.
 */
import { readFileSync } from "node:fs";

const LOOK_MS = 500;
const SHELLS = new Set(["sh", "dash", "bash", "ash", "busybox", "zsh", "ksh"]);

/**
 * @param {{npm_lifecycle_event?: string | undefined}} environment
 * @param {() => void} act called at most once
 * @returns {() => void} ends the watch
 */
export function whenParentIsGone(environment, act) {
  if (environment.npm_lifecycle_event === undefined) return () => {};
  const atFirst = ancestors();
  const timer = setInterval(() => {
    if (ancestors() === atFirst) return;
    clearInterval(timer);
    act();
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Our parent, and npm behind it where the shell that npm starts scripts with is still in between. */
function ancestors() {
  const parent = process.ppid;
  const { name, parentOfIt } = linuxProcess(parent);
  return SHELLS.has(name) ? `${parent} ${parentOfIt}` : String(parent);
}

/** Elsewhere than on Linux shells become the command that they start, so that nothing is in between. */
function linuxProcess(id) {
  try {
    const [, name = "", parentOfIt = ""] = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${id}/stat`, "utf8")) ?? [];
    return { name, parentOfIt };
  } catch {
    return { name: "", parentOfIt: "" };
  }
}
