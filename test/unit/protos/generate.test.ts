/** Generated code is what the generator writes, and the messages are those of the protocols. */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { GRPCInferenceService, ModelInferRequestSchema } from "../../../protos/gen/grpc_service_pb.ts";
import { HealthCheckResponse_ServingStatus } from "../../../protos/gen/health_pb.ts";
import { ModelConfigSchema } from "../../../protos/gen/model_config_pb.ts";

const PROTOS = fileURLToPath(new URL("../../../protos", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "nereid-protos-"));
afterAll(() => rmSync(folder, { recursive: true }));

const filesOf = (root: string): ReadonlyMap<string, string> =>
  new Map(
    globSync("**/*.ts", { cwd: root })
      .sort()
      .map((name) => [name, readFileSync(path.join(root, name), "utf8")]),
  );

describe("generated code", () => {
  test("is what protos/generate.mjs writes today", { timeout: 60_000 }, () => {
    const { status, stderr } = spawnSync(process.execPath, [path.join(PROTOS, "generate.mjs"), folder], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    const [committed, generated] = [filesOf(path.join(PROTOS, "gen")), filesOf(folder)];
    expect([...committed.keys()], "run: node protos/generate.mjs").toEqual([...generated.keys()]);
    for (const [name, text] of generated) expect(committed.get(name) === text, `${name} differs; run: node protos/generate.mjs`).toBe(true);
  });

  test("has the procedures of the inference service, in the protocol's names", () => {
    expect(GRPCInferenceService.typeName).toBe("inference.GRPCInferenceService");
    expect(GRPCInferenceService.methods.map(({ name }) => name)).toEqual([
      "ServerLive",
      "ServerReady",
      "ModelReady",
      "ServerMetadata",
      "ModelMetadata",
      "ModelInfer",
      "ModelStreamInfer",
      "ModelConfig",
      "ModelStatistics",
      "RepositoryIndex",
      "RepositoryModelLoad",
      "RepositoryModelUnload",
      "SystemSharedMemoryStatus",
      "SystemSharedMemoryRegister",
      "SystemSharedMemoryUnregister",
      "CudaSharedMemoryStatus",
      "CudaSharedMemoryRegister",
      "CudaSharedMemoryUnregister",
      "TraceSetting",
      "LogSettings",
    ]);
  });

  test("numbers the fields as the protocols do", () => {
    const numbers = (fields: readonly { readonly name: string; readonly number: number }[]) =>
      Object.fromEntries(fields.map(({ name, number }) => [name, number]));
    expect(numbers(ModelInferRequestSchema.fields)).toMatchObject({ model_name: 1, inputs: 5, outputs: 6, raw_input_contents: 7 });
    expect(numbers(ModelConfigSchema.fields)).toMatchObject({ backend: 17, runtime: 25, response_cache: 24, model_metrics: 26 });
    expect(HealthCheckResponse_ServingStatus.SERVING).toBe(1);
  });
});
