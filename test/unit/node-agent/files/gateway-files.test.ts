/** An agent without files fetches them from its gateways, whatever becomes of those meanwhile. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Clock } from "../../../../core/clock.ts";
import { systemClock } from "../../../../core/clock.ts";
import { ServingError } from "../../../../core/errors.ts";
import { modelName } from "../../../../core/ids.ts";
import { MemoryLinks } from "../../../../core/link/memory.ts";
import { decodeJson } from "../../../../core/messages/json-message.ts";
import { FILE_PIECE_BYTES, FilesRequest } from "../../../../core/messages/model-files.ts";
import { seededRandom } from "../../../../core/random.ts";
import { answerFiles } from "../../../../core/repository/answer-files.ts";
import { ModelSources } from "../../../../core/repository/model-sources.ts";
import { type AnswerNode, CallDesk } from "../../../../gateway/serving/call-desk.ts";
import { Gateways } from "../../../../node-agent/calls/gateways.ts";
import { CallLine } from "../../../../node-agent/calls/link-upcalls.ts";
import { GatewayFiles } from "../../../../node-agent/files/gateway-files.ts";

const NEVER = new AbortController().signal;
const M = { model: modelName("m"), source: "", version: "1" };
const WEIGHTS = Uint8Array.from({ length: 2 * FILE_PIECE_BYTES + 7 }, (_, index) => (index * 31) % 251);

/** Waits pass at once: what is waited for is a gateway, which comes or does not. */
const hurried: Clock = { ...systemClock, after: (_, callback) => systemClock.after(0, callback) };

let root: string;
let there: ModelSources;
let here: ModelSources;
let gateways: Gateways;
let files: GatewayFiles;
const asked: string[] = [];

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "nereid-peer-"));
  asked.length = 0;
  for (const folder of ["there/m/1/parts", "there/m/2", "here"]) mkdirSync(path.join(root, folder), { recursive: true });
  writeFileSync(path.join(root, "there/m/1/model.onnx"), "graph");
  writeFileSync(path.join(root, "there/m/1/parts/weights.bin"), WEIGHTS);
  writeFileSync(path.join(root, "there/m/2/model.onnx"), "another version");
  gateways = new Gateways();
  files = new GatewayFiles(gateways, hurried);
  there = sourcesIn("there");
  here = sourcesIn("here").withPeers(files.ask);
});
afterEach(() => {
  files[Symbol.dispose]();
  rmSync(root, { recursive: true });
});

function sourcesIn(folder: string): ModelSources {
  const uploadsFolder = path.join(root, `${folder}.uploads`);
  return new ModelSources({ repositoryFolders: [path.join(root, folder)], uploadsFolder, random: seededRandom(3n) });
}

/** A gateway that dials the agent; it has the model's files unless said. @returns what ends it */
async function gateway(files: AnswerNode = (request) => answerFiles(request, there)): Promise<() => void> {
  const links = new MemoryLinks({ clock: systemClock, random: seededRandom(1n) });
  const listener = await links.listen((link) => gateways.join(new CallLine(link), link.closed));
  const link = await links.dial(listener.address, NEVER);
  new CallDesk(link, (request) => {
    const { ask, ...rest } = decodeJson(FilesRequest, request);
    asked.push([ask, ...("name" in rest ? [rest.name] : []), ...("offset" in rest ? [rest.offset] : [])].join(" "));
    return files(request);
  });
  return () => link.close();
}

const shares: number[] = [];
const fetched = async (signal = NEVER) => {
  shares.length = 0;
  return (await here.onDisk(M, { onProgress: (share) => shares.push(share), signal })).folder;
};
const left = () => (existsSync(path.join(root, "here.uploads/fetched")) ? readdirSync(path.join(root, "here.uploads/fetched")) : []);

describe("a version whose files another node has", () => {
  test("comes whole and alone, with its progress, and is not fetched twice", async () => {
    await gateway();
    const folder = await fetched();
    expect(readdirSync(folder, { recursive: true }).toSorted()).toEqual(["1", "1/model.onnx", "1/parts", "1/parts/weights.bin"]);
    expect(Buffer.compare(readFileSync(path.join(folder, "1/parts/weights.bin")), WEIGHTS)).toBe(0);
    expect(shares.length).toBe(4);
    expect(shares.at(-1)).toBe(1);
    asked.length = 0;
    expect(await fetched()).toBe(folder);
    expect(asked.filter((one) => one.startsWith("range"))).toEqual([]);
  });

  test("goes on from another gateway where the first one died, with nothing read twice", async () => {
    let ranges = 0;
    const die: () => void = await gateway((request) => {
      if (decodeJson(FilesRequest, request).ask === "range" && ++ranges === 3) die();
      return answerFiles(request, there);
    });
    await gateway();
    const folder = await fetched();
    expect(Buffer.compare(readFileSync(path.join(folder, "1/parts/weights.bin")), WEIGHTS)).toBe(0);
    const answered = asked.filter((one) => one.startsWith("range 1/parts/weights.bin"));
    expect(new Set(answered).size).toBe(3);
    expect(answered.length).toBeLessThanOrEqual(5); // at most the two that were on their way are asked for again
  });

  test("goes on when the only source is away for a while", async () => {
    let ranges = 0;
    await gateway((request) => {
      const isAway = decodeJson(FilesRequest, request).ask === "range" && ++ranges >= 2 && ranges <= 5;
      if (isAway) throw new ServingError("NOT_FOUND", "no node has it", { reason: "model_not_found" });
      return answerFiles(request, there);
    });
    expect(Buffer.compare(readFileSync(path.join(await fetched(), "1/parts/weights.bin")), WEIGHTS)).toBe(0);
  });

  test("that is damaged on its way is refused, and leaves nothing", async () => {
    await gateway(async (request) => {
      const answer = await answerFiles(request, there);
      const { ask } = decodeJson(FilesRequest, request);
      return ask === "range" ? answer.map((byte) => byte ^ 1) : answer;
    });
    await expect(fetched()).rejects.toMatchObject({ code: "DATA_LOSS", message: expect.stringContaining("1/model.onnx") });
    expect(left()).toEqual([]);
  });

  test("that nobody wants any more is left, and leaves nothing", async () => {
    const stop = new AbortController();
    await gateway((request) => {
      if (decodeJson(FilesRequest, request).ask === "range") stop.abort(new ServingError("CANCELLED", "unloaded"));
      return answerFiles(request, there);
    });
    await expect(fetched(stop.signal)).rejects.toMatchObject({ code: "CANCELLED" });
    expect(left()).toEqual([]);
  });

  test("whose source names files outside of it is refused, and nothing is written there", async () => {
    await gateway(async (request) => {
      const { ask } = decodeJson(FilesRequest, request);
      if (ask === "list") return new TextEncoder().encode('[{"name":"1/../../../evil","bytes":5}]');
      return ask === "digest" ? new TextEncoder().encode(JSON.stringify("0".repeat(64))) : new TextEncoder().encode("taken");
    });
    await expect(fetched()).rejects.toMatchObject({ code: "DATA_LOSS", message: expect.stringContaining("leads out of") });
    expect(left()).toEqual([]);
    expect(readdirSync(root).toSorted()).toEqual(["here", "here.uploads", "there"]);
  });
});

describe("a model that nobody has", () => {
  test("is refused by its name once every gateway has been asked", async () => {
    await gateway();
    await expect(here.find(modelName("x"), "")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "there is no model 'x' in the repository, and no other node has it",
    });
  });

  test.each(["../there", "m/1", "", "a b"])("and has the name %j is as unknown as any", async (name) => {
    await gateway();
    await expect(files.ask({ ask: "list", model: name, source: "" })).rejects.toMatchObject({ reason: "model_not_found" });
  });

  test("and has a source that is no digest is refused", async () => {
    await gateway();
    await expect(files.ask({ ask: "list", model: "m", source: "../there" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
