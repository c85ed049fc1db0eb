/**
 * The peer of the language-model benchmark: llama.cpp, built for this machine from the sources that PyPI's llama-cpp-python
 * carries. Kept in the cache, never in the lock file.
 */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const VERSION = "0.3.36";
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

export interface LlamaCpp {
  tool(name: (typeof TOOLS)[number]): string;
  /** The model in another of llama.cpp's formats, made once: `Q8_0`, `Q4_0`. */
  quantized(modelFile: string, type: string): Promise<string>;
}

/** Builds what is not there yet: about five minutes on two cores. */
export async function llamaCpp(cacheFolder: string, say: (line: string) => void): Promise<LlamaCpp> {
  const folder = path.join(cacheFolder, "peers", `llama-cpp-python-${VERSION}`);
  const tool = (name: string): string => path.join(folder, "build", "bin", name);
  if (!TOOLS.every((name) => existsSync(tool(name)))) await build(folder, say);
  return {
    tool,
    async quantized(modelFile, type) {
      const file = path.join(cacheFolder, "peers", `${path.basename(path.dirname(path.dirname(modelFile)))}.${type}.gguf`);
      if (existsSync(file)) return file;
      say(`making a ${type} file for llama.cpp`);
      await run(tool("llama-quantize"), ["--allow-requantize", modelFile, `${file}.part`, type], { maxBuffer: 2 ** 26 });
      await rename(`${file}.part`, file);
      return file;
    },
  };
}

async function build(folder: string, say: (line: string) => void): Promise<void> {
  const peers = path.dirname(folder);
  await mkdir(peers, { recursive: true });
  if (!existsSync(folder)) {
    say(`fetching llama-cpp-python ${VERSION}`);
    await run(
      "python3",
      ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", peers, `llama-cpp-python==${VERSION}`],
      { maxBuffer: 2 ** 26 },
    );
    await run("tar", ["xzf", path.join(peers, `llama_cpp_python-${VERSION}.tar.gz`), "-C", peers]);
    await rename(path.join(peers, `llama_cpp_python-${VERSION}`), folder);
  }
  say("building llama.cpp for this machine (about five minutes)");
  const switches = Object.entries(SWITCHES).map(([name, value]) => `-D${name}=${value}`);
  await show("cmake", ["-G", "Ninja", "-S", path.join(folder, "vendor/llama.cpp"), "-B", path.join(folder, "build"), ...switches]);
  await show("ninja", ["-j", String(availableParallelism()), "-C", path.join(folder, "build"), ...TOOLS]);
}

function show(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
    child.once("error", (cause) =>
      reject(new Error(`${command} is needed to build llama.cpp: install cmake, ninja and a C++ compiler`, { cause })),
    );
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with code ${code}`))));
  });
}
