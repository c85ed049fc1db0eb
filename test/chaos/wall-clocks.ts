/** Wall clocks of processes that can be set, each for itself. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Environment, preloading } from "./preloaded.ts";

export class WallClocks implements Disposable {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "nereid-clocks-"));

  /** The environment of a process that has the clock `name`, and of all that it starts. */
  environment(name: string): Environment {
    this.set(name, 0);
    return preloading("./skewed-clock.ts", { NEREID_CHAOS_CLOCK: this.#file(name) });
  }

  /**
   * @param offMs from now on the clock is so much ahead, or behind below 0
   * @param drift and goes so much faster, or slower below 0: 0.1 is a tenth
   */
  set(name: string, offMs: number, drift = 0): void {
    const written = `${this.#file(name)}.new`;
    writeFileSync(written, `${offMs} ${drift} ${Date.now()}`);
    renameSync(written, this.#file(name)); // whoever reads finds a whole number
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }

  #file(name: string): string {
    return path.join(this.#folder, name);
  }
}
