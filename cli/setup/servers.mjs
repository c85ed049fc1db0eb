/**
 * The programs that tests need, nats-server, redis-server and Go: found, or fetched from Debian's packages. Debian may start
 * servers of its own with them; tests start theirs on other ports and leave those alone.
 */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const SERVERS = ["nats-server", "redis-server"];
/** Of programs that are not named as their package. */
const DEBIAN_PACKAGES = { go: "golang-go" };
/** Debian keeps servers where only root's PATH leads. */
const FURTHER_FOLDERS = ["/usr/local/sbin", "/usr/sbin"];
const OUTPUT_KEPT = 4096;

/** @returns {string | undefined} the program's file */
export function findProgram(name, environment = process.env) {
  const folders = [...(environment.PATH ?? "").split(delimiter), ...FURTHER_FOLDERS];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

/** As fetchPrograms, for both servers. */
export const fetchServers = (saying) => fetchPrograms(SERVERS, saying);

/**
 * Fetches what is missing where that can be done without asking: as root, with apt. Runs at the same time take turns.
 * @param {readonly string[]} names
 * @param {(what: string) => (ended: string) => void} saying told only when something is fetched
 * @returns {Promise<string | undefined>} why programs are still missing; undefined when all are there
 */
export async function fetchPrograms(names, saying) {
  const missing = names.filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return undefined;
  const aptGet = findProgram("apt-get");
  if (aptGet === undefined || process.getuid?.() !== 0) return `${missing.join(" and ")} cannot be installed without root and apt-get`;
  const said = saying(`installing ${missing.join(" and ")}`);
  const { code, output } = await install(missing.map((name) => DEBIAN_PACKAGES[name] ?? name));
  said(code === 0 ? "done" : "failed");
  return code === 0 ? undefined : `apt-get install ${missing.join(" ")} ended with ${code}: ${output.trim()}`;
}

/** The lists of packages are fetched only when installing fails without that. */
function install(names) {
  const apt = `apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends ${names.join(" ")}`;
  const lock = join(tmpdir(), "nereid-apt.lock");
  const child = spawn("flock", [lock, "sh", "-c", `${apt} || { apt-get -qq update && ${apt}; }`], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return new Promise((resolve) => {
    let output = "";
    const keep = (text) => {
      output = (output + text).slice(-OUTPUT_KEPT);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", ({ message }) => resolve({ code: "an error", output: message }));
    child.on("close", (code) => resolve({ code, output }));
  });
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
