/**
 * What is wanted, kept in a file for a cluster without a store: each change is a line that is on the disk before it counts. A line
 * that was cut off by a crash is dropped; the file is written anew when most of it is out of date. One process owns the file.
 */
import { type FileHandle, mkdir, open, readFile, rename } from "node:fs/promises";
import path from "node:path";
import { Type } from "typebox";
import { ServingError } from "../../errors.ts";
import { decodeJson, encodeJson } from "../../messages/json-message.ts";
import { type WantedEntry, WantedModel, type WantedModels } from "./wanted-models.ts";

const Line = Type.Object({ model: Type.String(), version: Type.Integer(), wanted: WantedModel });

/** Lines beyond the entries that are worth writing the file anew. */
const STALE_LINES_MAX = 64;

/** @param memory empty; answers once the file has what it is told. @throws ServingError FAILED_PRECONDITION when the file cannot be used. */
export async function fileWantedModels(file: string, memory: WantedModels): Promise<WantedModels & AsyncDisposable> {
  let appending: FileHandle;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const { entries, lines, torn } = replay(await readText(file));
    await memory.restore({ incarnation: "", revision: lines, entries });
    if (torn || lines > entries.size + STALE_LINES_MAX) await writeAnew(file, entries);
    appending = await open(file, "a");
  } catch (cause) {
    const { message } = ServingError.from(cause);
    throw new ServingError("FAILED_PRECONDITION", `the file of wanted models ${file} cannot be used: ${message}`, { cause });
  }
  // One after the other: the file has the changes in the order in which they were made.
  let last: Promise<unknown> = Promise.resolve();
  const append = async (model: string, version: number, wanted: WantedModel): Promise<void> => {
    await appending.appendFile(lineOf(model, { version, wanted }));
    await appending.datasync();
  };
  return {
    read: (known) => memory.read(known),
    restore: (snapshot) => memory.restore(snapshot),
    change(model, expected, wanted) {
      const change = last.then(async () => {
        const now = (await memory.read(undefined))?.entries.get(model)?.version ?? 0;
        if (now !== expected) return false;
        await append(model, expected + 1, wanted);
        return await memory.change(model, expected, wanted);
      });
      last = change.catch(() => {});
      return change;
    },
    async [Symbol.asyncDispose]() {
      await last;
      await appending.close();
    },
  };
}

const lineOf = (model: string, { version, wanted }: WantedEntry): Uint8Array =>
  Buffer.concat([encodeJson({ model, version, wanted }), Buffer.from("\n")]);

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return "";
    throw thrown;
  }
}

interface Replayed {
  readonly entries: ReadonlyMap<string, WantedEntry>;
  readonly lines: number;
  /** The last line was cut off. */
  readonly torn: boolean;
}

/** @throws ServingError INVALID_ARGUMENT when a whole line is not ours. */
function replay(text: string): Replayed {
  const lines = text.split("\n");
  const rest = lines.pop() ?? "";
  const entries = new Map<string, WantedEntry>();
  for (const line of lines) {
    const { model, version, wanted } = decodeJson(Line, new TextEncoder().encode(line));
    entries.set(model, { version, wanted });
  }
  return { entries, lines: lines.length, torn: rest !== "" };
}

/** Beside the old file, then in its place. */
async function writeAnew(file: string, entries: ReadonlyMap<string, WantedEntry>): Promise<void> {
  const unfinished = `${file}.new`;
  {
    await using written = await open(unfinished, "w");
    for (const [model, entry] of entries) await written.appendFile(lineOf(model, entry));
    await written.datasync();
  }
  await rename(unfinished, file);
}
