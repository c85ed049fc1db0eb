/** The process of a whole model's runner: `node main.ts AGENT_PID [RUNTIME_LIBRARY]`, with its agent at the control descriptor. */
import { systemClock } from "../../../core/clock.ts";
import { linuxLibC } from "../../ort/libc.ts";
import { CONTROL_FD } from "../control-protocol.ts";
import { SHARED_FD, SharedTensors } from "../shared-tensors.ts";
import { ModelServer } from "./model-server.ts";

const [agentPid, libraryFile] = process.argv.slice(2);
linuxLibC()?.dieWithParent();
if (process.ppid !== Number(agentPid)) process.exit(1); // it died before the system knew that we follow

// Ctrl-C and service managers signal whole groups: the agent ends first, in its own time, and we follow.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

new ModelServer({
  fd: CONTROL_FD,
  libraryFile,
  shared: SharedTensors.inherited(SHARED_FD),
  clock: systemClock,
  exit: () => process.exit(0),
});
