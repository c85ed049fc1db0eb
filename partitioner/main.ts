/**
 * The partitioner as a program: cuts one shard into a cache, unless it is there, and ends, so that all its memory goes back.
 *
 *     node partitioner/main.ts --model-folder F --version 1 --stage 0 --stages 2 --quantization auto --out CACHE
 *
 * With `--model NAME` instead of a folder the files are asked of the parent process, over the channel that it has opened.
 *
 * One JSON object a line on standard output: `{"progress":0.42}` …, at last `{"folder":…,"text":…}` (the shard's folder, the text
 * bundle's file) or `{"error":{"code":…,"message":…}}` with exit code 1. SIGTERM and SIGINT stop it without leaving anything behind.
 */
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { folderModelFiles } from "../core/repository/folder.ts";
import { peerModelFiles } from "../core/repository/peer.ts";
import { parseCommandLine } from "./command-line.ts";
import { cachedOrCutShard, sourceFolder } from "./cutting/cut-shard.ts";
import { removeLeftovers } from "./cutting/shard-folder.ts";
import { writeTextFile } from "./cutting/text-file.ts";
import { parentFiles } from "./sources/parent-files.ts";

const PROGRESS_STEP = 0.01;
const LEFTOVER_AGE_MS = 24 * 60 * 60 * 1000;

async function main(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const { modelFolder, model, version, cacheFolder, ...stage } = parseCommandLine(argv);
  using parent = parentFiles();
  const files = modelFolder === undefined ? peerModelFiles(parent.ask, model, "") : folderModelFiles(modelFolder);
  let reported = 0;
  const onProgress = (share: number) => {
    if (share < reported + PROGRESS_STEP) return;
    reported = share;
    print({ progress: Math.round(share * 100) / 100 });
  };
  const options = { random: systemRandom, signal, onProgress };
  const { folder, description } = await cachedOrCutShard({ ...options, ...stage, files, versionFolder: version, cacheFolder });
  const source = sourceFolder(cacheFolder, description.sourceDigest);
  const text = await writeTextFile(files, version, source, systemRandom.id());
  await removeLeftovers(source, systemClock.wallClockMs() - LEFTOVER_AGE_MS);
  print({ folder, text });
}

const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const controller = new AbortController();
const stop = () => controller.abort(new ServingError("CANCELLED", "the partitioner was stopped"));
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
process.stdout.once("error", stop); // whoever asked is gone
try {
  await main(process.argv.slice(2), controller.signal);
} catch (thrown) {
  const { code, message, cause } = ServingError.from(thrown);
  if (code === "INTERNAL") process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`);
  print({ error: { code, message } });
  process.exitCode = 1;
}
