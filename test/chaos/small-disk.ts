/** A file system of a few mebibytes, which is soon full. Linux, as root. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const ZEROS = Buffer.alloc(64 * 1024);

export class SmallDisk implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), "nereid-disk-"));
  readonly #filler = path.join(this.folder, "filler");

  constructor(mebibytes: number) {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", this.folder]);
  }

  resize(mebibytes: number): void {
    execFileSync("mount", ["-o", `remount,size=${mebibytes}m`, this.folder]);
  }

  /** Leaves no room at all. */
  fill(): void {
    const file = openSync(this.#filler, "w");
    try {
      for (;;) writeSync(file, ZEROS);
    } catch (thrown) {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ENOSPC")) throw thrown;
    } finally {
      closeSync(file);
    }
  }

  /** Takes back what `fill` has written. */
  empty(): void {
    rmSync(this.#filler);
  }

  [Symbol.dispose](): void {
    execFileSync("umount", ["--lazy", this.folder]);
    rmSync(this.folder, { recursive: true });
  }
}
