/** Files whose content is known by its digest: written only when it is right, remembered so that it is not read again. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ServingError } from "../../core/errors.ts";

/** What a file must be. */
export interface ExpectedFile {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface WriteOptions {
  readonly signal: AbortSignal;
  readonly onBytes: (written: number) => void;
}

/**
 * Writes `content` to `path`, which must not exist, and removes it again when it is not what was expected.
 * @throws ServingError DATA_LOSS when size or digest differ; the signal's reason when it aborts
 */
export async function writeVerified(
  content: AsyncIterable<Uint8Array>,
  path: string,
  expected: ExpectedFile,
  options: WriteOptions,
): Promise<void> {
  const hash = createHash("sha256");
  let written = 0;
  try {
    await using file = await open(path, "wx");
    for await (const chunk of content) {
      options.signal.throwIfAborted();
      written += chunk.length;
      if (written > expected.bytes) break;
      hash.update(chunk);
      await file.writeFile(chunk);
      options.onBytes(written);
    }
    if (written !== expected.bytes) throw new ServingError("DATA_LOSS", `the file is not ${expected.bytes} bytes long`);
    const digest = hash.digest("hex");
    if (digest !== expected.sha256) throw new ServingError("DATA_LOSS", `the file has digest ${digest}, expected ${expected.sha256}`);
    await file.sync();
  } catch (thrown) {
    await rm(path, { force: true });
    throw thrown;
  }
}

/** sha256 of a file, hexadecimal. */
export async function fileDigest(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) hash.update(chunk);
  return hash.digest("hex");
}

/**
 * Whether the file at `path` is what is expected. A digest that was computed once is remembered in `memory` for as long as size
 * and time of change stay the same.
 */
export async function isVerified(path: string, expected: ExpectedFile, memory: string, signal: AbortSignal): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size !== expected.bytes) return false;
  const mark = `${expected.sha256} ${found.size} ${found.mtimeMs}\n`;
  if ((await readFile(memory, "utf8").catch(() => "")) === mark) return true;
  if ((await fileDigest(path, signal)) !== expected.sha256) return false;
  await replaceFile(memory, mark);
  return true;
}

/** Of this process: two at once must not share one. */
let drafts = 0;

/** Never half written: to a file beside it, then renamed. */
async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = join(dirname(path), `.${process.pid}.${++drafts}.draft`);
  await writeFile(draft, text);
  await rename(draft, path);
}
