/** Which threads of a process give way to which, where the system has fewer cores than there is work. */
import { readlinkSync } from "node:fs";
import os from "node:os";

const LOWERED = 10;

/**
 * Lowers the calling thread's priority for good: what it does may take long, and threads that work for a moment only go first.
 * Does nothing where the system has no priorities of threads (all but Linux) or cannot say which thread this is.
 */
export function giveWay(): void {
  if (process.platform !== "linux") return;
  try {
    const thread = Number(/\d+$/.exec(readlinkSync("/proc/thread-self"))?.[0]);
    if (os.getPriority(thread) < LOWERED) os.setPriority(thread, LOWERED);
  } catch {
    // No /proc in this container: the thread works on as all others do.
  }
}
