/** What a model that is loading costs another one that serves: loads run at lowered priority. */
import { HttpClient } from "../../client/http/http-client.ts";
import type { BenchContext, BenchPart } from "../context.ts";
import { figuresOf, inTurn } from "../rounds.ts";
import { formatHeader, formatRow, type Row } from "../table.ts";
import { MODELS, writeModels } from "./repositories.ts";
import { loadOnce, startOurs, warmUp } from "./servers.ts";

/** p99 may grow by a fifth. */
const GOAL = 1 / 1.2;
const REQUESTS = 1_000;
const LOAD = { protocol: "http", model: MODELS.identity, concurrency: 4, shape: "INPUT0:16" } as const;
const P99 = "p99 ms";
const OTHERS = [MODELS.classifier, MODELS.together];

export const LOADING_PART: BenchPart = {
  name: "loading",
  help: "p99 of a model over a thousand requests while others load and unload, beside the same without",
  run: loading,
};

async function loading(context: BenchContext): Promise<readonly Row[]> {
  const { signal, rounds, say } = context;
  say(
    "\nloading: a thousand requests to one model while others load and unload one after another, without a pause, beside the same without",
  );
  await using models = await writeModels();
  await using server = await startOurs(context, models.ours, ["--model-control-mode", "explicit"]);
  await using client = new HttpClient(server.http);
  await client.loadModel(LOAD.model);
  await warmUp(server, LOAD, signal);
  const measure = async () => new Map([[P99, (await loadOnce(server, LOAD, signal, REQUESTS)).p99Ms]]);
  const busy = {
    name: "while others load",
    async measure() {
      let done = false;
      const others = async () => {
        for (let turn = 0; !done; turn++) {
          const model = OTHERS[turn % OTHERS.length] ?? MODELS.classifier;
          await client.loadModel(model);
          await client.unloadModel(model);
        }
      };
      const loading = others();
      try {
        return await measure();
      } finally {
        done = true;
        await loading;
      }
    },
  };
  const collected = await inTurn([busy, { name: "alone", measure }], rounds, say);
  const row: Row = {
    name: "p99 while others load",
    unit: "ms",
    better: "less",
    ours: figuresOf(collected, busy.name, P99),
    peer: figuresOf(collected, "alone", P99),
    goal: { kind: "ratio", least: GOAL },
  };
  say(formatHeader("alone"));
  say(formatRow(row));
  return [row];
}
