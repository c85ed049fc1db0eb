/** What the system says of processes: their families, memory and time on a core. Linux's /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** The process and all that it has started, directly or not, and that lives. */
export function familyOf(pid: number): readonly number[] {
  const family = [pid];
  for (const member of family) {
    for (const thread of threadsOf(member)) {
      const children = textOf(`/proc/${member}/task/${thread}/children`)?.trim() ?? "";
      if (children !== "") family.push(...children.split(" ").map(Number));
    }
  }
  return family;
}

/** Resident bytes; 0 when the process is gone. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** The most that were ever resident; 0 when the process is gone. */
export function residentBytesMost(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** Microseconds that the process's living threads have spent on a core. Its children's are their own. */
export function cpuMicroseconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of threadsOf(pid)) {
    nanoseconds += Number(textOf(`/proc/${pid}/task/${thread}/schedstat`)?.split(" ")[0] ?? 0);
  }
  return nanoseconds / 1_000;
}

export interface ServerProcesses {
  /** What stands between clients and runners: one process, or gateways and agents. */
  readonly pids: readonly number[];
  /** What it needs beside it, such as a broker; nothing unless said. */
  readonly backing?: readonly number[];
}

/** Microseconds on a core so far: of the server's own processes, and of all that they have started or need. */
export function cpuOfServer({ pids, backing = [] }: ServerProcesses): { readonly front: number; readonly rest: number } {
  const sum = (some: readonly number[]) => some.reduce((total, pid) => total + cpuMicroseconds(pid), 0);
  const front = sum(pids);
  return { front, rest: sum([...pids, ...backing].flatMap(familyOf)) - front };
}

/** Words of the command line; undefined when the process is gone. */
export function commandLine(pid: number): readonly string[] | undefined {
  return textOf(`/proc/${pid}/cmdline`)?.split("\0");
}

function statusBytes(pid: number, field: "VmRSS" | "VmHWM"): number {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(textOf(`/proc/${pid}/status`) ?? "")?.[1];
  return Number(kibibytes ?? 0) * 1_024;
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // it has ended meanwhile
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined; // the process has ended meanwhile
  }
}
