/**
 * Whether the packages have to be installed, from what lies on disk. Pure.
 *
 * The stamp in node_modules says which lock file was installed, and whether with the development packages; those satisfy a
 * start too, so a start never removes them. Without a stamp, npm's own record of the tree is compared: an `npm ci` made by hand counts.
 */

/**
 * @param {object} facts
 * @param {"runtime" | "development"} facts.mode what is about to run
 * @param {string} facts.lockText package-lock.json
 * @param {string} facts.lockDigest its sha256
 * @param {string | undefined} facts.stampText node_modules/.nereid-setup.json
 * @param {string | undefined} facts.installedText node_modules/.package-lock.json, npm's record
 * @param {boolean} facts.nodeIsThere whether the pinned Node's binary is in place
 * @param {string} facts.platform such as `linux-x64`
 * @returns {{kind: "keep", mode: "runtime" | "development"} | {kind: "install", reason: string}}
 */
export function decideInstall(facts) {
  if (!facts.nodeIsThere) return { kind: "install", reason: "first start" };
  const stamp = parseObject(facts.stampText);
  if (stamp === undefined || stamp.lockDigest !== facts.lockDigest) {
    const found = modeInTree(parseObject(facts.lockText), parseObject(facts.installedText), facts.mode);
    if (found !== undefined && (stamp === undefined || stamp.platform === facts.platform)) return { kind: "keep", mode: found };
    return { kind: "install", reason: stamp === undefined ? "packages are missing" : "package-lock.json changed" };
  }
  if (stamp.platform !== facts.platform) return { kind: "install", reason: "another platform" };
  if (facts.mode === "development" && stamp.mode !== "development") return { kind: "install", reason: "development packages are missing" };
  return { kind: "keep", mode: stamp.mode };
}

/** What goes into the stamp. */
export function stampOf({ lockDigest, mode, platform }) {
  return `${JSON.stringify({ lockDigest, mode, platform })}\n`;
}

function parseObject(text) {
  try {
    const value = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** For which mode npm's record holds every package of the lock file at its version; undefined when for less than is needed. */
function modeInTree(lock, installed, needed) {
  const wanted = Object.entries(lock?.packages ?? {}).filter(([path, entry]) => path !== "" && entry.optional !== true);
  const there = installed?.packages;
  if (wanted.length === 0 || there === undefined) return undefined;
  const holds = ([path, entry]) => there[path]?.version === entry.version;
  if (wanted.every(holds)) return "development";
  const runtimeOnly = wanted.filter(([, entry]) => entry.dev !== true && entry.devOptional !== true);
  return needed === "runtime" && runtimeOnly.every(holds) ? "runtime" : undefined;
}
