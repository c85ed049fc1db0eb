/** The process of one shard's runner: `node main.ts AGENT_PID [RUNTIME_LIBRARY]`, with its agent at the control descriptor. */
import { Socket } from "node:net";
import { systemClock } from "../../../core/clock.ts";
import { linuxLibC } from "../../ort/libc.ts";
import { CONTROL_FD } from "../control-protocol.ts";
import { serveShard } from "./shard-runner.ts";

const [agentPid, libraryFile] = process.argv.slice(2);
linuxLibC()?.dieWithParent();
if (process.ppid !== Number(agentPid)) process.exit(1); // it died before the system knew that we follow

// Ctrl-C and service managers signal whole groups: the agent ends first, in its own time, and we follow.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

serveShard({
  control: new Socket({ fd: CONTROL_FD }),
  libraryFile,
  clock: systemClock,
  warn: (words) => process.stderr.write(`${words}\n`),
  exit: () => process.exit(0),
  entitle: (title) => {
    process.title = title;
  },
});
