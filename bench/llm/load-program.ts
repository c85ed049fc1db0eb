/**
 * Loads a model with all that serves it, uses it and unloads it, again and again in one process, and says on its standard output
 * what it is at: `phase NAME …`. Whoever started it watches its memory. Arguments: repository folder, shard folder, model, loads.
 */
import { UP_SETTINGS } from "../../cli/settings/settings-tables.ts";
import { sleep, systemClock } from "../../core/clock.ts";
import { readSettings } from "../../core/settings.ts";
import { createLogger } from "../../core/telemetry/logger.ts";
import { startCluster } from "../../embedded/cluster.ts";
import { chatClient } from "./chat-client.ts";
import { chatPrompts } from "./chat-prompts.ts";

const CHATS = 8;
const TOKENS = 32;
/** How long a phase that is measured stays as it is. */
const SETTLE_MS = 1_500;
const MODEL_VERSION = "1";

async function run(
  [repositoryFolder = "", cacheFolder = "", model = "", loads = "1"]: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const flags = ["--model", model, "--port", "0", "--grpc-port", "0", "--metrics-port", "0", "--threads", "1"];
  const settings = readSettings(UP_SETTINGS, { flags, environment: {} });
  const stages = settings.nodes;
  const logger = createLogger({ level: "warn", form: "readable" });
  for (let load = 0; load < Number(loads); load++) {
    await phase("idle", signal);
    say("phase loading");
    const beganMs = performance.now();
    const options = { ...settings, version: MODEL_VERSION, stages, repositoryFolders: [repositoryFolder], cacheFolder } as const;
    await using cluster = await startCluster(options, { logger, signal });
    await phase(`loaded ${performance.now() - beganMs}`, signal);
    say("phase using");
    using client = chatClient(cluster.httpAddress ?? "", model);
    const calls = chatPrompts(CHATS, load).map((prompt) => ({ prompt, tokensMax: TOKENS }));
    await client.chats(calls, signal);
    await phase("used", signal);
    say("phase unloading");
    await cluster[Symbol.asyncDispose]();
    await phase("unloaded", signal);
  }
}

async function phase(name: string, signal: AbortSignal): Promise<void> {
  say(`phase ${name}`);
  await sleep(systemClock, SETTLE_MS, signal);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const stop = new AbortController();
process.once("SIGTERM", () => stop.abort(new Error("stopped")));
await run(process.argv.slice(2), stop.signal);
say("phase over");
process.exit();
