/**
 * What is wanted, kept in a file for a cluster without a store: each change is a line that is on the disk before it counts. A line
 * that was cut off by a crash is dropped; the file is written anew when most of it is out of date. One process owns the file.
 */
import { type FileHandle, mkdir, open, readFile, rename } from "node:fs/promises";
import path from "node:path";
import { type Static, Type } from "typebox";
import { ServingError } from "../../errors.ts";
import { decodeJson, encodeJson } from "../../messages/json-message.ts";
import {
  type WantedEntry,
  WantedModel,
  type WantedModels,
  WantedNode,
  type WantedNodeEntry,
  type WantedSnapshot,
} from "./wanted-models.ts";

const Line = Type.Union([
  Type.Object({ model: Type.String(), version: Type.Integer(), wanted: WantedModel }),
  Type.Object({ node: Type.String(), version: Type.Integer(), wanted: WantedNode }),
]);
type Line = Static<typeof Line>;

/** Lines beyond the entries that are worth writing the file anew. */
const STALE_LINES_MAX = 64;

/** @param memory empty; answers once the file has what it is told. @throws ServingError FAILED_PRECONDITION when the file cannot be used. */
export async function fileWantedModels(file: string, memory: WantedModels): Promise<WantedModels & AsyncDisposable> {
  let appending: FileHandle;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const replayed = replay(await readText(file));
    const { entries, nodes, lines, torn } = replayed;
    await memory.restore({ incarnation: "", revision: lines, entries, nodes });
    if (torn || lines > entries.size + nodes.size + STALE_LINES_MAX) await writeAnew(file, replayed);
    appending = await open(file, "a");
  } catch (cause) {
    const { message } = ServingError.from(cause);
    throw new ServingError("FAILED_PRECONDITION", `the file of wanted models ${file} cannot be used: ${message}`, { cause });
  }
  // One after the other: the file has the changes in the order in which they were made.
  let last: Promise<unknown> = Promise.resolve();
  /** @param made in memory, once the line is on the disk */
  const change = (line: Line, known: (read: WantedSnapshot) => number | undefined, made: () => Promise<boolean>): Promise<boolean> => {
    const changed = last.then(async () => {
      const read = await memory.read(undefined);
      if (((read && known(read)) ?? 0) !== line.version - 1) return false;
      await appending.appendFile(bytesOf(line));
      await appending.datasync();
      return await made();
    });
    last = changed.catch(() => {});
    return changed;
  };
  return {
    read: (known) => memory.read(known),
    restore: (snapshot) => memory.restore(snapshot),
    change: (model, expected, wanted) =>
      change(
        { model, version: expected + 1, wanted },
        ({ entries }) => entries.get(model)?.version,
        () => memory.change(model, expected, wanted),
      ),
    changeNode: (node, expected, wanted) =>
      change(
        { node, version: expected + 1, wanted },
        ({ nodes }) => nodes.get(node)?.version,
        () => memory.changeNode(node, expected, wanted),
      ),
    async [Symbol.asyncDispose]() {
      await last;
      await appending.close();
    },
  };
}

const bytesOf = (line: Line): Uint8Array => Buffer.concat([encodeJson(line), Buffer.from("\n")]);

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
  readonly nodes: ReadonlyMap<string, WantedNodeEntry>;
  readonly lines: number;
  /** The last line was cut off. */
  readonly torn: boolean;
}

/** @throws ServingError INVALID_ARGUMENT when a whole line is not ours. */
function replay(text: string): Replayed {
  const lines = text.split("\n");
  const rest = lines.pop() ?? "";
  const entries = new Map<string, WantedEntry>();
  const nodes = new Map<string, WantedNodeEntry>();
  for (const line of lines) {
    const read = decodeJson(Line, new TextEncoder().encode(line));
    if ("model" in read) entries.set(read.model, { version: read.version, wanted: read.wanted });
    else nodes.set(read.node, { version: read.version, wanted: read.wanted });
  }
  return { entries, nodes, lines: lines.length, torn: rest !== "" };
}

/** Beside the old file, then in its place. */
async function writeAnew(file: string, { entries, nodes }: Replayed): Promise<void> {
  const unfinished = `${file}.new`;
  {
    await using written = await open(unfinished, "w");
    for (const [model, entry] of entries) await written.appendFile(bytesOf({ model, ...entry }));
    for (const [node, entry] of nodes) await written.appendFile(bytesOf({ node, ...entry }));
    await written.datasync();
  }
  await rename(unfinished, file);
}
