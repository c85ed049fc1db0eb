/**
 * The peer of the small-model benchmark: Triton Inference Server for CPUs with its Python backend, as PyPI's nvidia-pytriton carries it.
 * Installed into the cache, never into the lock file.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, rename, rm } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { ServingError } from "../../core/errors.ts";
import { type Program, runTool, startServer } from "../program.ts";

/** onnxruntime is what its Python models run ONNX files with: the version that we have. */
const REQUIREMENTS = ["nvidia-pytriton==0.7.0", "onnxruntime==1.30.0"];
const NAME = "tritonserver-2.51.0";
const INSTALL_LIMIT_MS = 600_000;
const START_LIMIT_MS = 60_000;

export interface TritonServer {
  /** For the head of a report. */
  readonly version: string;
  start(options: TritonStart, signal: AbortSignal): Promise<RunningTriton>;
}

export interface TritonStart {
  readonly repositoryFolder: string;
  /** Where it and its models' processes may run: a list for taskset. */
  readonly cores: string;
}

export interface RunningTriton {
  readonly program: Program;
  readonly httpAddress: string;
  readonly grpcAddress: string;
}

/** Installs what is not there yet: 350 MB, half a minute. @throws ServingError that says what is missing */
export async function tritonServer(cacheFolder: string, say: (line: string) => void, signal: AbortSignal): Promise<TritonServer> {
  const folder = path.join(cacheFolder, "peers", NAME);
  if (!existsSync(folder)) await install(folder, say, signal);
  const packages = await sitePackages(folder);
  const bundle = path.join(packages, "pytriton", "tritonserver");
  const pythonLibraries = (await python(["-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"], signal)).trim();
  return {
    version: "tritonserver 2.51.0 of nvidia-pytriton 0.7.0, Python backend",
    async start({ repositoryFolder, cores }, startSignal) {
      const [http, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
      const environment = [
        `LD_LIBRARY_PATH=${path.join(packages, "nvidia_pytriton.libs")}:${pythonLibraries}`,
        `PATH=${path.join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
        `PYTHONPATH=${packages}`,
        "OMP_NUM_THREADS=1",
      ];
      const flags = {
        "model-repository": repositoryFolder,
        "backend-directory": path.join(folder, "backends"),
        "http-address": "127.0.0.1",
        "http-port": http,
        "grpc-address": "127.0.0.1",
        "grpc-port": grpc,
        "metrics-address": "127.0.0.1",
        "metrics-port": metrics,
      };
      const server = [path.join(bundle, "bin", "tritonserver"), ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)];
      const { program } = await startServer("taskset", ["-c", cores, "env", ...environment, ...server], /Started Metrics Service/, {
        signal: startSignal,
        limitMs: START_LIMIT_MS,
      });
      return { program, httpAddress: `127.0.0.1:${http}`, grpcAddress: `127.0.0.1:${grpc}` };
    },
  };
}

async function install(folder: string, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  say(`installing ${REQUIREMENTS.join(" and ")} (350 MB)`);
  const part = `${folder}.part`;
  await rm(part, { recursive: true, force: true });
  await mkdir(path.dirname(folder), { recursive: true });
  await python(["-m", "venv", "--without-pip", part], signal);
  const target = path.join(part, "bin", "python");
  await python(["-m", "pip", "--python", target, "install", "--quiet", "--only-binary=:all:", ...REQUIREMENTS], signal);
  const bundle = path.join(await sitePackages(part), "pytriton", "tritonserver");
  const version = (await python(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], signal)).trim();
  const backend = path.join(part, "backends", "python");
  await cp(path.join(bundle, "backends", "python"), backend, { recursive: true });
  await cp(path.join(bundle, "python_backend_stubs", version), backend, { recursive: true });
  await rename(part, folder);
}

async function python(args: readonly string[], signal: AbortSignal): Promise<string> {
  try {
    return await runTool("python3", args, { signal, limitMs: INSTALL_LIMIT_MS });
  } catch (cause) {
    if (signal.aborted) throw cause;
    const why = ServingError.from(cause).message;
    throw new ServingError("FAILED_PRECONDITION", `tritonserver needs python3 (3.8 to 3.13) with pip, on x86-64: ${why}`, { cause });
  }
}

async function sitePackages(folder: string): Promise<string> {
  const library = path.join(folder, "lib");
  const [version] = (await readdir(library)).filter((name) => name.startsWith("python3"));
  return path.join(library, version ?? "python3", "site-packages");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
