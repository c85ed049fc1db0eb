/**
 * What `npm start`, `npm test` and `npm run bench` run: sets everything up, then starts the program on the pinned Node.
 * Plain JavaScript for any Node ≥ 18, because it is what runs before the pinned Node is there.
 *
 *   node cli/setup.mjs start [FLAGS of `nereid up`]
 *   node cli/setup.mjs test [FLAGS of vitest]
 *   node cli/setup.mjs bench [FLAGS]
 *   node cli/setup.mjs setup          only sets up, for development
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackages } from "./setup/install.mjs";
import { whenParentIsGone } from "./setup/parent-watch.mjs";
import { runProgram } from "./setup/run-program.mjs";
import { runTests } from "./setup/run-tests.mjs";
import { fail, SetupError, saying } from "./setup/say.mjs";
import { fetchServers } from "./setup/servers.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const pinnedNode = join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");
const main = join(root, "cli", "main.ts");
const testModel = "smollm2-135m-instruct";

const pullTestModel = () => runProgram(pinnedNode, [main, "pull", testModel], { cwd: root });

const commands = {
  // `up` fetches the model that it is asked for, so only the packages are set up here.
  async start(flags) {
    await installPackages(root, "runtime");
    return runProgram(pinnedNode, [main, "up", ...flags], { cwd: root });
  },
  async test(flags) {
    await installPackages(root, "development");
    await fetchServers(saying); // where that fails, the tests that need them say so
    const pulled = await pullTestModel();
    return pulled === 0 ? runTests(pinnedNode, flags, { cwd: root }) : pulled;
  },
  async bench(flags) {
    await installPackages(root, "development");
    const bench = join(root, "bench", "main.ts");
    if (!existsSync(bench)) throw new SetupError("there is no benchmark in this checkout yet (bench/main.ts)");
    const pulled = await pullTestModel();
    return pulled === 0 ? runProgram(pinnedNode, [bench, ...flags], { cwd: root }) : pulled;
  },
  async setup() {
    await installPackages(root, "development");
    return pullTestModel();
  },
};

const [name, ...flags] = process.argv.slice(2);
try {
  const command = Object.hasOwn(commands, name ?? "") ? commands[name] : undefined;
  if (command === undefined) throw new SetupError(`usage: node cli/setup.mjs ${Object.keys(commands).join(" | ")}`);
  whenParentIsGone(process.env, () => process.kill(process.pid, "SIGTERM"));
  process.exitCode = await command(flags);
} catch (thrown) {
  fail(thrown);
}
