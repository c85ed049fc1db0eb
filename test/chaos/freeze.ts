/** Stops a process and all that it has started, as a machine does that hangs; and wakes them. Linux. */
import { familyOf } from "../../bench/processes.ts";
import type { Started } from "../engine/cli/command.ts";

/** SIGSTOP. @returns wakes exactly those that were stopped */
export function freeze({ child }: Started): () => void {
  const family = child.pid === undefined ? [] : familyOf(child.pid);
  for (const pid of family) process.kill(pid, "SIGSTOP");
  return () => {
    for (const pid of family) process.kill(pid, "SIGCONT");
  };
}
