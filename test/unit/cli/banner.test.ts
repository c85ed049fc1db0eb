/** The banner tells people where everything is. */
import { describe, expect, test } from "vitest";
import { banner, chatCommand } from "../../../cli/banner.ts";
import type { ServedModel } from "../../../gateway/serving/generation/text-generation.ts";

const shard = (node: string, stage: number, firstLayer: number, endLayer: number) => ({
  node,
  stage,
  stages: 3,
  firstLayer,
  endLayer,
  state: "ready",
});
const model: ServedModel = {
  name: "smollm2-135m-instruct",
  version: "1",
  readiness: { kind: "ready" },
  contextLength: 8192,
  quantization: "native",
  createdSeconds: 1,
  shards: [shard("node-1", 0, 0, 10), shard("node-2", 1, 10, 20), shard("node-1", 2, 20, 30)],
};

describe("the banner", () => {
  const text = banner({
    httpAddress: "http://127.0.0.1:8000",
    grpcAddress: "127.0.0.1:8001",
    metricsAddress: "http://127.0.0.1:8002",
    model,
    wholeModels: ["add_sub"],
    startedInMs: 3_210,
  });

  test("says where everything is and which layers are on which node", () => {
    expect(text).toBe(`
Nereid is ready after 3.2 s

  HTTP     http://127.0.0.1:8000  (OpenAI: /v1, Triton: /v2)
  gRPC     127.0.0.1:8001  (Triton)
  metrics  http://127.0.0.1:8002/metrics
  model    smollm2-135m-instruct version 1 (native, context 8192 tokens)
  node-1   layers 0 to 9 (stage 1 of 3), layers 20 to 29 (stage 3 of 3)
  node-2   layers 10 to 19 (stage 2 of 3)
  models   add_sub
  try      ${chatCommand("http://127.0.0.1:8000", "smollm2-135m-instruct")}
  stop     Ctrl-C

`);
  });

  test("has a line to copy that a shell takes as one command", () => {
    const command = chatCommand("http://127.0.0.1:8000", "smollm2-135m-instruct");
    expect(command).not.toContain("\n");
    expect(JSON.parse(/-d '([^']*)'$/.exec(command)?.[1] ?? "")).toMatchObject({ model: "smollm2-135m-instruct", stream: true });
  });
});
