/** Loading takes a core for up to seconds: at lowered priority it does not hold up what the host already serves. */
import { readdirSync, readFileSync } from "node:fs";
import os from "node:os";
import type { Clock } from "../../../core/clock.ts";
import { linuxLibC } from "../../ort/libc.ts";

const LOWERED = 10;
const CAP_SYS_NICE = 1n << 23n;
/** The map of the first user namespace: rights of another one do not count for the scheduler. */
const ALL_USERS = /^\s*0\s+0\s+4294967295\s*$/;
/** A load that others leave no core for comes up all the same: after so long it takes its share, a tenth of a core. */
const IDLE_MS = 2_000;

/** Lowers the process's priority until disposed; does nothing where the system would not let it rise again. */
export function lowerPriority(): Disposable {
  if (!mayRise()) return { [Symbol.dispose]: () => {} };
  os.setPriority(LOWERED);
  // On Linux priority belongs to a thread, and the pools that were made meanwhile inherited it.
  return {
    [Symbol.dispose]: () => {
      for (const thread of threadsOf(process.pid)) {
        linuxLibC()?.setIdle(thread, false);
        os.setPriority(thread, os.constants.priority.PRIORITY_NORMAL);
      }
    },
  };
}

/**
 * The same for a process that has just been started: its first load begins with its program's. `lowerPriority` ends it.
 *
 * At first it gets idle cores alone. Being nicer is not enough: whoever runs keeps the core until the system's next tick (4 ms)
 * against a thread that wakes up for a request; from an idle one it is taken at once.
 * @returns must be called when the load is over
 */
export function startLowered(pid: number | undefined, clock: Clock): () => void {
  const system = linuxLibC();
  if (pid === undefined || system === undefined || !mayRise()) return () => {};
  try {
    os.setPriority(pid, LOWERED);
  } catch {
    return () => {}; // it is gone already, which others notice
  }
  system.setIdle(pid, true);
  return clock.after(IDLE_MS, () => {
    for (const thread of threadsOf(pid)) system.setIdle(thread, false);
  });
}

/** An ordinary user may lower a priority and never raise it again, and neither may the root of a container without root. */
export function mayRise(): boolean {
  if (process.platform !== "linux") return false;
  try {
    if (!ALL_USERS.test(readFileSync("/proc/self/uid_map", "utf8"))) return false;
    const [, capabilities] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return capabilities !== undefined && (BigInt(`0x${capabilities}`) & CAP_SYS_NICE) !== 0n;
  } catch {
    return false;
  }
}

/** None of a process that is gone. */
function threadsOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}
