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
  let lines: LineFile;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const replayed = replay(await readText(file));
    const { entries, nodes, count, torn } = replayed;
    await memory.restore({ incarnation: "", revision: count, entries, nodes });
    if (torn || count > entries.size + nodes.size + STALE_LINES_MAX) await writeAnew(file, replayed);
    lines = await LineFile.open(file);
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
      await lines.append(bytesOf(line));
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
      await lines.close();
    },
  };
}

/** A file that has whole lines: what a full disk cuts off is taken away before the next one. */
class LineFile {
  readonly #name: string;
  readonly #file: FileHandle;
  #bytes: number;
  #isTorn = false;

  private constructor(name: string, file: FileHandle, bytes: number) {
    this.#name = name;
    this.#file = file;
    this.#bytes = bytes;
  }

  static async open(name: string): Promise<LineFile> {
    const file = await open(name, "a");
    return new LineFile(name, file, (await file.stat()).size);
  }

  /** Resolves when the line is on the disk. @throws ServingError UNAVAILABLE when it cannot be written */
  async append(line: Uint8Array): Promise<void> {
    try {
      if (this.#isTorn) await this.#file.truncate(this.#bytes);
      this.#isTorn = true;
      await this.#file.appendFile(line);
      await this.#file.datasync();
    } catch (cause) {
      const { message } = ServingError.from(cause);
      const why = `what is wanted cannot be written to ${this.#name}: ${message}: make room there, and try again`;
      throw new ServingError("UNAVAILABLE", why, { cause, reason: "store_unavailable" });
    }
    this.#isTorn = false;
    this.#bytes += line.byteLength;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
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
  /** Of lines. */
  readonly count: number;
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
  return { entries, nodes, count: lines.length, torn: rest !== "" };
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
