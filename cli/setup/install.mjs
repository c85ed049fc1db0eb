/** Installs the packages when the lock file changed since the last time, or when more of them are needed than are there. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { decideInstall, stampOf } from "./install-decision.mjs";
import { SetupError, saying } from "./say.mjs";

const OUTPUT_KEPT = 64 * 1024;
const TAIL_LINES = 15;

/** @throws SetupError when npm fails, with the end of what it said. */
export async function installPackages(root, mode) {
  const lockText = readFileSync(join(root, "package-lock.json"), "utf8");
  const facts = {
    mode,
    lockText,
    lockDigest: createHash("sha256").update(lockText).digest("hex"),
    platform: `${process.platform}-${process.arch}`,
  };
  const modules = join(root, "node_modules");
  const stampPath = join(modules, ".nereid-setup.json");
  const decision = decideInstall({
    ...facts,
    stampText: textOf(stampPath),
    installedText: textOf(join(modules, ".package-lock.json")),
    nodeIsThere: existsSync(join(modules, "node", "bin", process.platform === "win32" ? "node.exe" : "node")),
  });
  if (decision.kind === "keep") {
    if (textOf(stampPath) === undefined) writeFileSync(stampPath, stampOf({ ...facts, mode: decision.mode }));
    return;
  }
  rmSync(stampPath, { force: true }); // what npm leaves half done must not look done
  const said = saying(`installing packages (${decision.reason})`);
  const args = ["ci", "--no-audit", "--no-fund", ...(mode === "runtime" ? ["--omit=dev"] : [])];
  const { code, output } = await runNpm(args, root);
  said(code === 0 ? "done" : "failed");
  if (code !== 0) {
    process.stderr.write(`${output.trimEnd().split("\n").slice(-TAIL_LINES).join("\n")}\n`);
    throw new SetupError(
      `npm ${args.join(" ")} ended with code ${code} (its last lines are above): look at the connection (npm ping) and at free disk space, then run this again`,
    );
  }
  writeFileSync(stampPath, stampOf(facts));
}

/** Runs the npm that started us, or the one on the PATH; without our own node_modules/.bin there, which npm is about to replace. */
function runNpm(args, root) {
  const ownBin = join(root, "node_modules", ".bin");
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== ownBin);
  const env = { ...process.env, PATH: path.join(delimiter), ONNXRUNTIME_NODE_INSTALL: "skip" };
  // A production mode that is set outside must not take the test packages away.
  if (!args.includes("--omit=dev")) args = [...args, "--include=dev"];
  return new Promise((resolve, reject) => {
    const child = spawn("npm", args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"], shell: process.platform === "win32" });
    let output = "";
    const keep = (text) => {
      output = (output + text).slice(-OUTPUT_KEPT);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    const stop = (signal) => {
      child.kill(signal);
      process.exit(130);
    };
    process.once("SIGINT", stop).once("SIGTERM", stop);
    child.on("error", (cause) =>
      reject(new SetupError(`npm cannot be started (${cause.message}): put npm 10 or 11 on the PATH`, { cause })),
    );
    child.on("close", (code, signal) => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      resolve({ code: code ?? signal, output });
    });
  });
}

function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
