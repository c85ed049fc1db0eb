/** Loading a shard takes a core for seconds: at lowered priority it does not hold up what the host already serves. */
import { readdirSync, readFileSync } from "node:fs";
import os from "node:os";

const LOWERED = 10;
const CAP_SYS_NICE = 1n << 23n;

/** Lowers the process's priority until disposed; does nothing where the system would not let it rise again. */
export function lowerPriority(): Disposable {
  if (!mayRise()) return { [Symbol.dispose]: () => {} };
  os.setPriority(LOWERED);
  // On Linux priority belongs to a thread, and the pools that were made meanwhile inherited it.
  return {
    [Symbol.dispose]: () => {
      for (const id of threads()) os.setPriority(id, os.constants.priority.PRIORITY_NORMAL);
    },
  };
}

/** The same for a process that has just been started: its first load begins with its program's. `lowerPriority` ends it. */
export function startLowered(pid: number | undefined): void {
  if (pid === undefined || !mayRise()) return;
  try {
    os.setPriority(pid, LOWERED);
  } catch {
    // It is gone already, which others notice.
  }
}

/** An ordinary user may lower a priority and never raise it again. */
function mayRise(): boolean {
  if (process.platform !== "linux") return false;
  try {
    const [, capabilities] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return capabilities !== undefined && (BigInt(`0x${capabilities}`) & CAP_SYS_NICE) !== 0n;
  } catch {
    return false;
  }
}

function threads(): readonly number[] {
  return readdirSync("/proc/self/task").map(Number);
}
