/** P12: the disk on which an agent keeps its shards is full. */
import { systemClock } from "../../../core/clock.ts";
import { complete, post } from "../../cluster/completion-client.ts";
import { ProcessCluster } from "../../support/process-cluster.ts";
import { chaosModels, LANGUAGE, STATELESS } from "../chaos-models.ts";
import { startLoad } from "../load.ts";
import { askStateless } from "../questions.ts";
import type { Row } from "../row.ts";
import { SmallDisk } from "../small-disk.ts";
import { untilHolds } from "../until-holds.ts";

const SHARD_FOLDER = "partitioner/cutting/shard-folder.ts";
const [FULL_MIB, ROOMY_MIB] = [8, 600];

export const fullDisk: Row = {
  promise: "P12",
  name: "full-disk",
  about: "the agent's cache has no room for a shard: its load is refused and says why, other models serve on; with room the load works",
  protection: "a shard is written in its place, and what is half written stays",
  mutations: [
    { file: SHARD_FOLDER, find: "const temporary = ", replace: "const temporary = folder ?? " },
    { file: SHARD_FOLDER, find: "await rm(temporary, { recursive: true, force: true });", replace: "" },
  ],
  run: async ({ cache, environment }) => {
    using models = chaosModels({ replicas: 1, copies: 1 });
    using disk = new SmallDisk(FULL_MIB);
    await using cluster = await ProcessCluster.start({ cache, environment: () => environment });
    const gateway = cluster.gateway(
      "--models",
      models.folder,
      "--model",
      "none",
      "--model-control-mode",
      "explicit",
      "--load-model",
      STATELESS,
    );
    const agent = cluster.agent("node-1", "--models", models.folder, "--cache", disk.folder);
    const url = await gateway.url;
    await untilHolds(async () => (await fetch(`${url}/v2/models/${STATELESS}/ready`)).ok);
    const load = startLoad(
      1,
      askStateless(() => url),
    );
    const refused = await loadLanguage(url);
    disk.resize(ROOMY_MIB);
    const startMs = systemClock.now();
    const accepted = await loadLanguage(url);
    const loadMs = Math.round(systemClock.now() - startMs);
    const question = { model: LANGUAGE, prompt: "The capital of France is", max_tokens: 4, temperature: 0 };
    const text = accepted.status === 200 ? (await complete(url, question)).text : "";
    const { answered, failed, errors } = await load.end();
    const crashed = [agent, gateway.process].filter(({ child }) => child.exitCode !== null).length;
    return {
      holds:
        refused.status !== 200 &&
        /which is full/.test(refused.text) &&
        accepted.status === 200 &&
        text.length > 0 &&
        failed + crashed === 0,
      figures: { n: 1, refused: refused.status, requests: answered, failed, crashed, limit: 0, loaded: accepted.status, load_ms: loadMs },
      errors: [...errors, ...(accepted.status === 200 ? [] : [accepted.text]), refused.text],
    };
  },
};

async function loadLanguage(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await post(url, `/v2/repository/models/${LANGUAGE}/load`, {});
  return { status: response.status, text: await response.text() };
}
