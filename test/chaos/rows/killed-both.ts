/** P3: kill -9 of everything but NATS and Redis at once, gateways and nodes; the clients come back to what is started again. */
import { randomBytes } from "node:crypto";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../../core/clock.ts";
import type { Started } from "../../engine/cli/command.ts";
import { ended, isReady, MODEL, ProcessCluster } from "../../support/process-cluster.ts";
import { startRedis } from "../../support/real-servers.ts";
import { killVerdict } from "../kill-verdict.ts";
import { killedStreams } from "../killed-streams.ts";
import type { Row } from "../row.ts";
import { untilHolds } from "../until-holds.ts";

const KILLS = 2;

interface Running {
  readonly url: string;
  readonly processes: readonly Started[];
}

export const killedBoth: Row = {
  promise: "P03",
  name: "kill9-both",
  about:
    "kill -9 of the gateway and of both nodes of eight resumable streams at once: from their journals no token is lost, doubled or another one",
  protection: "--journal on",
  run: async ({ seed, cache, environment, protected: guarded }) => {
    await using redis = await startRedis();
    await using folder = await mkdtempDisposable(path.join(tmpdir(), "nereid-chaos-"));
    const keyFile = path.join(folder.path, "journal.key");
    await writeFile(keyFile, randomBytes(32).toString("base64"));
    await using cluster = await ProcessCluster.start({ cache, environment: () => environment });
    const flags = ["--redis-url", redis.url, ...(guarded ? ["--journal", "on", "--journal-key-file", keyFile] : [])];
    const start = async (): Promise<Running> => {
      const gateway = cluster.gateway(...flags);
      const agents = ["node-1", "node-2"].map((node) => cluster.agent(node, ...flags));
      return { url: await gateway.url, processes: [gateway.process, ...agents] };
    };
    let running = await start();
    await untilHolds(() => isReady(running.url));
    const report = await killedStreams({
      url: running.url,
      resumeAt: () => running.url,
      model: MODEL,
      clock: systemClock,
      streams: 8,
      tokens: 160,
      kills: KILLS,
      seed,
      kill: async () => {
        await Promise.all(running.processes.map((process) => ended(process, "SIGKILL")));
        running = await start();
      },
    });
    return killVerdict(KILLS, report);
  },
};
