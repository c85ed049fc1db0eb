/** A memory cgroup in which a process gets next to nothing more: the kernel's OOM killer ends it when it asks. Linux, as root; cgroups of either version. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const ROOT = "/sys/fs/cgroup";
const V1 = { folder: path.join(ROOT, "memory"), limit: "memory.limit_in_bytes", events: "memory.oom_control" };
const V2 = { folder: ROOT, limit: "memory.max", events: "memory.events" };

export class TightMemory implements Disposable {
  readonly #version = existsSync(V1.folder) ? V1 : V2;
  readonly #folder: string;

  /** @param bytes that it may have on top of what it has: only what is new counts */
  constructor(pid: number, bytes: number) {
    this.#folder = path.join(this.#version.folder, `nereid-chaos-${pid}`);
    mkdirSync(this.#folder);
    this.#write(this.#version.limit, bytes);
    this.#write("cgroup.procs", pid);
  }

  /** How many processes the kernel has killed for it. */
  get killed(): number {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync(path.join(this.#folder, this.#version.events), "utf8"))?.[1] ?? 0);
  }

  /** The process must be dead. */
  [Symbol.dispose](): void {
    rmdirSync(this.#folder);
  }

  #write(file: string, value: number): void {
    writeFileSync(path.join(this.#folder, file), String(value));
  }
}
