/** ONNX files that reach for other files, or are made to be endless: refused before the runtime sees them. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkExternalData } from "../../../../core/repository/external-data.ts";
import { folderModelFiles } from "../../../../core/repository/folder.ts";
import { OnnxModel } from "../../../models/onnx-model.ts";
import { addSub } from "../../../models/small-models.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "nereid-external-"));
  mkdirSync(path.join(root, "m", "1", "deep"), { recursive: true });
  writeFileSync(path.join(root, "secret"), new Uint8Array(64));
  writeFileSync(path.join(root, "m", "secret"), new Uint8Array(64));
  writeFileSync(path.join(root, "m", "1", "weights.bin"), new Uint8Array(64));
  writeFileSync(path.join(root, "m", "1", "deep", "weights.bin"), new Uint8Array(64));
  symlinkSync(path.join(root, "secret"), path.join(root, "m", "1", "link"));
  symlinkSync(root, path.join(root, "m", "1", "up"));
  execFileSync("mkfifo", [path.join(root, "m", "1", "pipe")]);
});
afterEach(() => rmSync(root, { recursive: true }));

async function check(bytes: Uint8Array): Promise<void> {
  writeFileSync(path.join(root, "m", "1", "model.onnx"), bytes);
  await checkExternalData(folderModelFiles(path.join(root, "m")), { name: "1/model.onnx", bytes: bytes.length });
}

const within = (...place: (readonly [string, string])[]) => new OnnxModel().external("W", [4], place);
const at = (location: string) => within(["location", location]);
const X = { inputs: ["X"], outputs: ["Y"] };

describe("tensors in other files", () => {
  test("may lie in plain files beside the model", async () => {
    await check(addSub());
    await check(at("weights.bin").finish());
    await check(at("deep/weights.bin").finish());
    await check(within(["location", "weights.bin"], ["offset", "48"], ["length", "16"]).finish());
  });

  test.each([
    "../secret",
    "../../secret",
    "deep/../../secret",
    "./weights.bin",
    "/etc/hostname",
    "link",
    "up/secret",
    "pipe",
    "/dev/zero",
    "missing.bin",
    "..\\secret",
    "weights.bin\u0000",
    "",
  ])("do not lie in %j", async (location) => {
    const refusal = { code: "INVALID_ARGUMENT", reason: "external_data", message: expect.stringContaining("1/model.onnx has a tensor in") };
    await expect(check(at(location).finish())).rejects.toMatchObject(refusal);
    const branch = { op: "If", ...X, attributes: { then_branch: { graph: at(location) } } };
    await expect(check(new OnnxModel().node(branch).finish()), "in a branch").rejects.toMatchObject(refusal);
  });

  test.each([
    ["offset", "60"],
    ["offset", "-1"],
    ["offset", "1e999"],
    ["offset", "x"],
    ["length", "65"],
    ["length", "-1"],
    ["length", "18446744073709551616"],
  ])("do not lie beyond their file: %s %s", async (key, value) => {
    const rest = key === "offset" ? ["length", "16"] : ["offset", "0"];
    const place = within(["location", "weights.bin"], [key, value], [rest[0] ?? "", rest[1] ?? ""]);
    await expect(check(place.finish())).rejects.toMatchObject({ code: "INVALID_ARGUMENT", reason: "external_data" });
  });

  test("lie in one place", async () => {
    const twice = within(["location", "weights.bin"], ["location", "../secret"]);
    await expect(check(twice.finish())).rejects.toThrow("says its 'location' twice");
  });
});

describe("a graph", () => {
  test("of a thousand graphs within one another is refused", async () => {
    let graph = new OnnxModel();
    for (let depth = 0; depth < 1_000; depth++) graph = new OnnxModel().node({ op: "If", ...X, attributes: { then_branch: { graph } } });
    await expect(check(graph.finish())).rejects.toThrow("graphs within graphs deeper than 32");
  });

  test("of more nodes than any model has is refused", async () => {
    const model = new OnnxModel();
    for (let node = 0; node <= 200_000; node++) model.node({ op: "A", inputs: [], outputs: [] });
    await expect(check(model.finish())).rejects.toThrow("more than 200000 nodes");
  });

  test("that says it is longer than its file is refused", async () => {
    const lengths = Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0);
    await expect(check(lengths)).rejects.toMatchObject({ code: "DATA_LOSS" });
  });

  test("in the runtime's own format is refused, whatever its name", async () => {
    await expect(check(Buffer.from("\u0004\u0000\u0000\u0000ORTM and more"))).rejects.toThrow("ONNX Runtime's own format");
  });
});
