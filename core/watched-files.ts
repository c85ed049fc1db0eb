/** Files that may be replaced while the server runs, such as certificates and keys: what uses them is told. */
import { readFile } from "node:fs/promises";
import type { Clock } from "./clock.ts";
import { ServingError } from "./errors.ts";

export interface WatchOptions {
  readonly clock: Clock;
  /** What the files are for, such as `the certificate`. */
  readonly purpose: string;
  /** What it throws is what `failed` is told, and what was used before stays in use. */
  readonly use: (contents: readonly string[]) => void;
  readonly failed: (error: ServingError) => void;
}

/** A revoked key must be gone within 5 s. Reading is surer than watching: editors and orchestrators replace files in many ways. */
const LOOK_MS = 2_000;

/**
 * Reads the files and uses them, and again whenever one has changed, until it is disposed.
 * @throws ServingError when one cannot be read or used at the start
 */
export async function watchFiles(paths: readonly string[], { clock, purpose, use, failed }: WatchOptions): Promise<Disposable> {
  let before = await readAll(paths, purpose);
  use(before);
  let takeBack = () => {};
  let isOver = false;
  let isMissing = false;
  const look = async () => {
    try {
      const now = await readAll(paths, purpose);
      isMissing = false;
      if (!isOver && now.some((text, index) => text !== before[index])) {
        before = now; // also when it cannot be used: one complaint is enough
        use(now);
      }
    } catch (thrown) {
      if (!isOver && !isMissing) failed(ServingError.from(thrown));
      isMissing = true;
    }
    if (!isOver) takeBack = clock.after(LOOK_MS, look);
  };
  takeBack = clock.after(LOOK_MS, look);
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      takeBack();
    },
  };
}

function readAll(paths: readonly string[], purpose: string): Promise<readonly string[]> {
  return Promise.all(
    paths.map((path) =>
      readFile(path, "utf8").catch((cause: Error) => {
        throw new ServingError("FAILED_PRECONDITION", `${purpose}: ${path} cannot be read (${cause.message})`, { cause });
      }),
    ),
  );
}
