/**
 * Versions of models that other nodes have, kept on this machine's disk for runtimes that open paths. Each content is fetched once;
 * where all are too many bytes, those go that were not used for longest, and never one that a process here uses.
 */
import { mkdir, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Random } from "../random.ts";
import type { Logger } from "../telemetry/logger.ts";
import { type FetchOptions, fetchVersion, wantedVersion } from "./fetch-version.ts";
import type { ModelFiles } from "./repository.ts";

export interface FetchedVersionsOptions {
  /** Holds for each version a folder by its content, files that say which processes use it, and what is being fetched. */
  readonly folder: string;
  readonly bytesMax: number;
  readonly random: Random;
  /** Hears what is removed; undefined: nobody. */
  readonly logger: Logger | undefined;
}

/** Stays where it is until it is disposed of. */
export interface HeldVersion extends AsyncDisposable {
  /** Has `<version>/…` in it. */
  readonly folder: string;
}

const USED = ".used-";

export class FetchedVersions {
  readonly #options: FetchedVersionsOptions;
  /** How often each is held in this process. */
  readonly #held = new Map<string, number>();
  /** Removing and beginning to use must not meet: one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: FetchedVersionsOptions) {
    this.#options = options;
  }

  /** @throws ServingError as `wantedVersion` and `fetchVersion` */
  async hold(files: ModelFiles, version: string, options: Omit<FetchOptions, "folder" | "random">): Promise<HeldVersion> {
    const { folder: into, random } = this.#options;
    const wanted = await wantedVersion(files, version);
    const folder = path.join(into, wanted.name);
    this.#held.set(wanted.name, (this.#held.get(wanted.name) ?? 0) + 1);
    try {
      await this.#inTurn(async () => {
        await mkdir(into, { recursive: true });
        await writeFile(this.#mark(wanted.name), "");
        await this.#tryToMakeRoom(wanted);
      });
      await fetchVersion(files, wanted, { ...options, folder, random });
      const { mtime } = await stat(this.#mark(wanted.name)); // by the same clock as all others
      await utimes(folder, mtime, mtime);
    } catch (thrown) {
      await this.#release(wanted.name);
      throw thrown;
    }
    let over = false;
    return {
      folder,
      [Symbol.asyncDispose]: async () => {
        if (!over) await this.#release(wanted.name);
        over = true;
      },
    };
  }

  async #release(name: string): Promise<void> {
    const left = (this.#held.get(name) ?? 1) - 1;
    if (left > 0) {
      this.#held.set(name, left);
      return;
    }
    this.#held.delete(name);
    await this.#inTurn(async () => {
      if (this.#held.has(name)) return; // it is held again
      await rm(this.#mark(name), { force: true });
      await this.#tryToMakeRoom(undefined);
    });
  }

  /** Models are loaded and unloaded all the same where it cannot be made. */
  async #tryToMakeRoom(wanted: { readonly name: string; readonly bytes: number } | undefined): Promise<void> {
    const { folder, logger } = this.#options;
    await this.#makeRoom(wanted).catch((err: unknown) => logger?.warn({ err, folder }, "old fetched models could not be removed"));
  }

  /** @param wanted what is to be there beside the rest */
  async #makeRoom(wanted: { readonly name: string; readonly bytes: number } | undefined): Promise<void> {
    const { folder: into, bytesMax, logger } = this.#options;
    const entries = await readdir(into);
    const used = await this.#used(entries);
    const kept: { readonly name: string; readonly bytes: number; readonly usedMs: number }[] = [];
    for (const entry of entries) {
      const [name = ""] = entry.split(".");
      if (entry === name && name !== wanted?.name) kept.push({ name, ...(await sizeOf(path.join(into, entry))) });
      else if (entry !== name && !entry.includes(USED) && !used.has(name)) await remove(path.join(into, entry)); // its process died
    }
    let bytes = kept.reduce((sum, one) => sum + one.bytes, wanted?.bytes ?? 0);
    for (const oldest of kept.toSorted((a, b) => a.usedMs - b.usedMs)) {
      if (bytes <= bytesMax) return;
      if (used.has(oldest.name) || this.#held.has(oldest.name)) continue;
      await remove(path.join(into, oldest.name));
      bytes -= oldest.bytes;
      logger?.info({ folder: path.join(into, oldest.name), bytes: oldest.bytes }, "a fetched model was removed: not used for longest");
    }
  }

  /** Names that processes use; marks of dead ones are removed. */
  async #used(entries: readonly string[]): Promise<ReadonlySet<string>> {
    const used = new Set(this.#held.keys());
    for (const entry of entries) {
      const [name = "", pid] = entry.split(USED);
      if (pid === undefined) continue;
      if (isAlive(Number(pid)) && (Number(pid) !== process.pid || this.#held.has(name))) used.add(name);
      else await remove(path.join(this.#options.folder, entry));
    }
    return used;
  }

  #mark(name: string): string {
    return path.join(this.#options.folder, `${name}${USED}${process.pid}`);
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {}); // whoever asked hears of it
    return done;
  }
}

async function sizeOf(folder: string): Promise<{ readonly bytes: number; readonly usedMs: number }> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(path.join(entry.parentPath, entry.name))).size;
  }
  return { bytes, usedMs: (await stat(folder)).mtimeMs };
}

const remove = (place: string): Promise<void> => rm(place, { recursive: true, force: true });

/** A process of another user is alive though it cannot be signaled. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown && thrown.code === "EPERM";
  }
}
