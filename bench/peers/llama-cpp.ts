/**
 * The peer of the language-model benchmark: llama.cpp, built for this machine's CPU from the sources that PyPI's
 * llama-cpp-python carries. Kept in the cache, never in the lock file.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { ServingError } from "../../core/errors.ts";
import { runTool } from "../program.ts";

const VERSION = "0.3.36";
const ARCHIVE_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e";
const TOOLS = ["llama-server", "llama-bench", "llama-batched-bench", "llama-quantize"] as const;
const SWITCHES = {
  CMAKE_BUILD_TYPE: "Release",
  GGML_NATIVE: "ON",
  GGML_OPENMP: "OFF",
  LLAMA_CURL: "OFF",
  LLAMA_OPENSSL: "OFF",
  LLAMA_BUILD_TESTS: "OFF",
  LLAMA_BUILD_EXAMPLES: "OFF",
  LLAMA_BUILD_UI: "OFF",
  LLAMA_BUILD_TOOLS: "ON",
  LLAMA_BUILD_SERVER: "ON",
};

const FETCH_LIMIT_MS = 600_000;
const BUILD_LIMIT_MS = 3_600_000;
const QUANTIZE_LIMIT_MS = 600_000;

export interface LlamaCpp {
  /** For the head of a report. */
  readonly version: string;
  /** Path of a program. */
  tool(name: (typeof TOOLS)[number]): string;
  /** The model in another of llama.cpp's formats, made once: `Q8_0`, `Q4_0`. */
  quantized(modelFile: string, type: string, signal: AbortSignal): Promise<string>;
}

/** Builds what is not there yet: about five minutes on two cores. @throws ServingError that says what is missing to build it. */
export async function llamaCpp(cacheFolder: string, say: (line: string) => void, signal: AbortSignal): Promise<LlamaCpp> {
  const peers = path.join(cacheFolder, "peers");
  const folder = path.join(peers, `llama-cpp-python-${VERSION}`);
  const tool = (name: string): string => path.join(folder, "build", "bin", name);
  if (!TOOLS.every((name) => existsSync(tool(name)))) {
    if (!existsSync(folder)) await fetchSources(peers, folder, say, signal);
    await build(folder, say, signal);
  }
  return {
    version: `llama.cpp of llama-cpp-python ${VERSION}`,
    tool,
    async quantized(modelFile, type, quantizeSignal) {
      const name = path.basename(path.dirname(path.dirname(modelFile)));
      const file = path.join(peers, `${name}.${type}.gguf`);
      if (existsSync(file)) return file;
      say(`making a ${type} file for llama.cpp`);
      const args = ["--allow-requantize", modelFile, `${file}.part`, type];
      await runTool(tool("llama-quantize"), args, { signal: quantizeSignal, limitMs: QUANTIZE_LIMIT_MS });
      await rename(`${file}.part`, file);
      return file;
    },
  };
}

async function fetchSources(peers: string, folder: string, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const archive = path.join(peers, `llama_cpp_python-${VERSION}.tar.gz`);
  const options = { signal, limitMs: FETCH_LIMIT_MS };
  await mkdir(peers, { recursive: true });
  if (!existsSync(archive)) {
    say(`fetching the sources of llama-cpp-python ${VERSION} (77 MB)`);
    const pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python", "-d", peers];
    await runTool("python3", [...pip, `llama-cpp-python==${VERSION}`], options);
  }
  await checkArchive(archive, signal);
  const unpacked = path.join(peers, `llama_cpp_python-${VERSION}`);
  await rm(unpacked, { recursive: true, force: true });
  await runTool("tar", ["xzf", archive, "-C", peers], options);
  await rename(unpacked, folder);
}

/** @throws ServingError DATA_LOSS; the archive is gone then, so that the next run fetches it again. */
async function checkArchive(archive: string, signal: AbortSignal): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(archive), hash, { signal });
  const digest = hash.digest("hex");
  if (digest === ARCHIVE_SHA256) return;
  await rm(archive, { force: true });
  throw new ServingError("DATA_LOSS", `${archive} had the digest ${digest}, not ${ARCHIVE_SHA256}: run this again to fetch it anew`);
}

async function build(folder: string, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const options = { signal, limitMs: BUILD_LIMIT_MS };
  const output = path.join(folder, "build");
  const switches = Object.entries(SWITCHES).map(([name, value]) => `-D${name}=${value}`);
  say("building llama.cpp for this machine (about five minutes on two cores)");
  try {
    await runTool("cmake", ["-G", "Ninja", "-S", path.join(folder, "vendor/llama.cpp"), "-B", output, ...switches], options);
    await runTool("ninja", ["-j", String(availableParallelism()), "-C", output, ...TOOLS], options);
  } catch (cause) {
    if (signal.aborted) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError("FAILED_PRECONDITION", `llama.cpp could not be built; it needs cmake, ninja and a C++ compiler: ${why}`, {
      cause,
    });
  }
}
