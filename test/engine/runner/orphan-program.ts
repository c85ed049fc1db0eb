/** An agent that starts a runner, says which, and waits to be killed: `orphan-program.ts SHARD_FOLDER`. */
import { processRunners } from "../../../node-agent/runners/process.ts";
import { NEVER, QUIET, REPLICA } from "./lead.ts";

const [folder = ""] = process.argv.slice(2);
const runner = processRunners({ logger: QUIET }).start();
const opened = await runner.open({ folder, replica: REPLICA, slots: 2, contextLength: 64, threads: 1 }, NEVER);
process.stdout.write(`${JSON.stringify({ pid: runner.pid, address: opened.address })}\n`);
