/** Memory that runner processes have in use. */
import { readFileSync } from "node:fs";

/** Of all together; those that have ended, and all where there is no /proc, count nothing. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + 1024 * residentKiB(pid), 0);
}

function residentKiB(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
