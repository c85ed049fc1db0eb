/** `ModelStreamInfer`: order, failures, ends, cancellation, and language models. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { bytesElements, joinBytesElements } from "../../core/tensor/tensor.ts";
import type { Inference } from "../../gateway/serving/inference.ts";
import {
  GRPCInferenceService,
  type ModelInferRequest,
  type ModelInferRequestSchema,
  type ModelStreamInferResponse,
} from "../../protos/gen/grpc_service_pb.ts";
import { turns } from "../support/fake-clock.ts";
import { ScriptedModels } from "../support/scripted-models.ts";
import { ScriptedRepeat } from "../support/scripted-repeat.ts";
import { SCRIPTED_MODEL, ScriptedText } from "../support/scripted-text.ts";
import { GrpcClient } from "./grpc-client.ts";
import { type GrpcDoorOptions, startGrpcDoor } from "./grpc-door.ts";

type InferInit = Exclude<MessageInitShape<typeof ModelInferRequestSchema>, ModelInferRequest>;

const { modelStreamInfer } = GRPCInferenceService.method;
const FLOATS = new Uint8Array(new Float32Array([1, 5, 10, 4]).buffer);
const identity = (id: string): InferInit => ({
  modelName: "identity_fp32",
  id,
  inputs: [{ name: "INPUT0", datatype: "FP32", shape: [1n, 4n] }],
  rawInputContents: [FLOATS],
});
const EMPTY_FINAL: InferInit["parameters"] = {
  triton_enable_empty_final_response: { $typeName: "inference.InferParameter", parameterChoice: { case: "boolParam", value: true } },
};

const boolParam = (value: boolean) => ({ $typeName: "inference.InferParameter", parameterChoice: { case: "boolParam", value } }) as const;
const stringParam = (value: string) =>
  ({ $typeName: "inference.InferParameter", parameterChoice: { case: "stringParam", value } }) as const;

function repeat(id: string, count: number): InferInit {
  const data = Buffer.alloc(4);
  data.writeInt32LE(count);
  return { modelName: "repeat", id, inputs: [{ name: "N", datatype: "INT32", shape: [1n] }], rawInputContents: [data] };
}

interface TextInputs {
  readonly text_input: string;
  readonly max_tokens?: number;
  readonly stream?: boolean;
  readonly stop_words?: readonly string[];
  readonly random_seed?: bigint;
  readonly temperature?: number;
}

function ask(inputs: TextInputs, id = ""): InferInit {
  const tensors = Object.entries(inputs).map(([name, value]) => ({ name, ...tensorOf(value) }));
  return {
    modelName: SCRIPTED_MODEL,
    id,
    inputs: tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    rawInputContents: tensors.map(({ data }) => data),
  };
}

function tensorOf(value: string | number | boolean | bigint | readonly string[]) {
  const bytes = Buffer.alloc(8);
  if (typeof value === "bigint") bytes.writeBigUInt64LE(value);
  switch (typeof value) {
    case "bigint":
      return { datatype: "UINT64", shape: [1n], data: bytes };
    case "number":
      if (Number.isInteger(value)) bytes.writeInt32LE(value);
      else bytes.writeFloatLE(value);
      return { datatype: Number.isInteger(value) ? "INT32" : "FP32", shape: [1n], data: bytes.subarray(0, 4) };
    case "boolean":
      return { datatype: "BOOL", shape: [1n], data: Buffer.from([Number(value)]) };
    default: {
      const texts = typeof value === "string" ? [value] : value;
      return { datatype: "BYTES", shape: [BigInt(texts.length)], data: joinBytesElements(texts.map((one) => Buffer.from(one))) };
    }
  }
}

const idsOf = (messages: readonly ModelStreamInferResponse[]) => messages.map(({ inferResponse }) => inferResponse?.id);
const isFinal = ({ inferResponse }: ModelStreamInferResponse) => inferResponse?.parameters["triton_final_response"]?.parameterChoice.value;
const numberOf = ({ inferResponse }: ModelStreamInferResponse) => Buffer.from(inferResponse?.rawOutputContents[0] ?? []).readInt32LE();
const textOf = (messages: readonly ModelStreamInferResponse[]) =>
  messages
    .flatMap(({ inferResponse }) =>
      bytesElements(inferResponse?.rawOutputContents[0] ?? new Uint8Array()).map((bytes) => Buffer.from(bytes).toString()),
    )
    .join("");

async function opened(options: GrpcDoorOptions = {}) {
  const door = await startGrpcDoor(options);
  const client = new GrpcClient(door.port);
  return {
    door,
    client,
    call: (metadata = {}) => client.duplex(modelStreamInfer, { metadata }),
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await door[Symbol.asyncDispose]();
    },
  };
}

/** Ordinary models whose answers a test lets go by the request's id. */
class HeldModels implements Inference {
  readonly models = new ScriptedModels();
  readonly held = new Map<string, PromiseWithResolvers<void>>();
  readonly arrived: string[] = [];
  canceled = 0;

  async infer(...[request, signal]: Parameters<Inference["infer"]>) {
    this.arrived.push(request.id);
    const gate = Promise.withResolvers<void>();
    this.held.set(request.id, gate);
    signal.addEventListener("abort", () => {
      this.canceled++;
      gate.reject(signal.reason);
    });
    await gate.promise;
    return this.models.infer(request, signal);
  }

  responses(...[request, signal]: Parameters<Inference["responses"]>) {
    return this.models.responses(request, signal);
  }

  async until(count: number): Promise<void> {
    while (this.arrived.length < count) await turns(1);
  }
}

describe("order", () => {
  test("ordinary models answer in the order of their requests, which reach them in that order, whichever is faster", async () => {
    const inference = new HeldModels();
    await using server = await opened({ inference });
    const call = server.call();
    for (const id of ["a", "b", "c"]) call.stream.write(identity(id));
    await inference.until(3);
    expect(inference.arrived).toEqual(["a", "b", "c"]);
    inference.held.get("c")?.resolve();
    inference.held.get("b")?.resolve();
    await turns();
    expect(call.messages).toEqual([]);
    inference.held.get("a")?.resolve();
    expect(idsOf(await call.until(3))).toEqual(["a", "b", "c"]);
    expect(call.messages.map(isFinal)).toEqual([true, true, true]);
    call.stream.end();
    expect(await call.status()).toMatchObject({ code: "OK" });
  });

  test("decoupled answers come as they are made, past ordinary ones that wait", async () => {
    const inference = new HeldModels();
    await using server = await opened({ inference });
    const call = server.call();
    call.stream.write(identity("slow"));
    call.stream.write(repeat("many", 3));
    await call.until(3);
    inference.held.get("slow")?.resolve();
    expect(idsOf(await call.until(4))).toEqual(["many", "many", "many", "slow"]);
    expect(call.messages.slice(0, 3).map(numberOf)).toEqual([0, 1, 2]);
    call.stream.end();
    expect(await call.status()).toMatchObject({ code: "OK" });
  });

  test("a request whose model is still to come holds up those behind it for that model, not those for others", async () => {
    const inference = new HeldModels();
    const there = Promise.withResolvers<void>();
    const demand = { ready: (model: string) => (model === "identity_fp32" ? there.promise : undefined) };
    await using server = await opened({ inference, demand });
    const call = server.call();
    call.stream.write(identity("first"));
    call.stream.write(identity("second"));
    call.stream.write({ ...identity("other"), modelName: "ens", inputs: [{ name: "X", datatype: "FP32", shape: [1n, 4n] }] });
    call.stream.write(repeat("many", 2));
    await inference.until(1);
    expect(idsOf(await call.until(2))).toEqual(["many", "many"]);
    expect(inference.arrived).toEqual(["other"]);
    there.resolve();
    await inference.until(3);
    expect(inference.arrived).toEqual(["other", "first", "second"]);
    for (const { resolve } of inference.held.values()) resolve();
    expect(idsOf(await call.until(5)).slice(2)).toEqual(["first", "second", "other"]);
    expect(call.messages.map(({ errorMessage }) => errorMessage).join("")).toBe("");
    call.stream.end();
    expect(await call.status()).toMatchObject({ code: "OK" });
  });

  test("more requests than run at once are all answered, in order", async () => {
    await using server = await opened();
    const call = server.call();
    const ids = Array.from({ length: 1_000 }, (_, index) => String(index));
    for (const id of ids) call.stream.write(identity(id));
    call.stream.end();
    expect(idsOf(await call.until(1_000))).toEqual(ids);
    expect(await call.status()).toMatchObject({ code: "OK" });
  });
});

describe("ends", () => {
  test("a decoupled request without answers says nothing, or one final message when it is asked to", async () => {
    await using server = await opened();
    const silent = server.call();
    silent.stream.write(repeat("none", 0));
    silent.stream.end();
    expect(await silent.status()).toMatchObject({ code: "OK" });
    expect(silent.messages).toEqual([]);
    const asked = server.call();
    asked.stream.write({ ...repeat("none", 0), parameters: EMPTY_FINAL });
    asked.stream.end();
    const [only] = await asked.until(1);
    expect(only).toMatchObject({
      errorMessage: "",
      inferResponse: { modelName: "repeat", id: "none", outputs: [], rawOutputContents: [] },
    });
    expect(only === undefined ? undefined : isFinal(only)).toBe(true);
  });

  test("what is late when the client has closed its half still arrives, then OK", async () => {
    const inference = new HeldModels();
    await using server = await opened({ inference });
    const call = server.call();
    call.stream.write(identity("late"));
    call.stream.end();
    await inference.until(1);
    await turns();
    inference.held.get("late")?.resolve();
    expect(idsOf(await call.until(1))).toEqual(["late"]);
    expect(await call.status()).toMatchObject({ code: "OK" });
  });
});

describe("failures", () => {
  test("a bad request is answered in its place, and 1,000 good ones after it as if nothing had been", async () => {
    await using server = await opened();
    const call = server.call();
    call.stream.write({ ...identity("bad"), rawInputContents: [] });
    for (let index = 0; index < 1_000; index++) call.stream.write(identity(String(index)));
    call.stream.end();
    const [bad] = await call.until(1_001);
    expect(bad).toMatchObject({
      errorMessage: "unable to find data for input tensor 'INPUT0' for model 'identity_fp32' in request.",
      inferResponse: { id: "bad", modelName: "identity_fp32", modelVersion: "1" },
    });
    expect(call.messages.slice(1).every(({ errorMessage }) => errorMessage === "")).toBe(true);
    expect(await call.status()).toMatchObject({ code: "OK" });
  });

  test("a decoupled model's failure is answered, and the stream goes on", async () => {
    await using server = await opened();
    const call = server.call();
    call.stream.write(repeat("wrong", -1));
    call.stream.write(identity("right"));
    call.stream.end();
    const messages = await call.until(2);
    expect(messages.find(({ errorMessage }) => errorMessage !== "")).toMatchObject({
      errorMessage: "N is negative",
      inferResponse: { id: "wrong" },
    });
    expect(await call.status()).toMatchObject({ code: "OK" });
  });

  test("with triton_grpc_error the first failure is the stream's status, and the other requests are canceled", async () => {
    const inference = new HeldModels();
    await using server = await opened({ inference });
    const call = server.call({ triton_grpc_error: "true" });
    call.stream.write(identity("waiting"));
    await inference.until(1);
    call.stream.write(repeat("wrong", -1));
    expect(await call.status()).toEqual({ code: "INVALID_ARGUMENT", details: "N is negative" });
    expect([inference.canceled, call.messages]).toEqual([1, []]);
  });

  test("a message that is no request ends the stream", async () => {
    await using server = await opened();
    const { code, details } = await server.client.bytes("/inference.GRPCInferenceService/ModelInfer", Buffer.from([0x0a, 0xff]));
    expect([code, details]).toEqual(["INVALID_ARGUMENT", "the message is no inference.ModelInferRequest: it is malformed at byte 2"]);
  });
});

describe("cancellation", () => {
  test("a client that goes cancels everything that its stream has under way", async () => {
    const inference = new HeldModels();
    const decoupled = new ScriptedRepeat(
      inference.models,
      (_, signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    );
    await using server = await opened({ inference, decoupled });
    const call = server.call();
    call.stream.write(identity("a"));
    call.stream.write(repeat("b", 5));
    call.stream.write(ask({ text_input: "endless", max_tokens: 4_000 }));
    await inference.until(1);
    while (decoupled.running === 0) await turns(1);
    call.stream.cancel();
    expect(await call.status()).toMatchObject({ code: "CANCELLED" });
    while (decoupled.running > 0 || server.door.text.running > 0 || inference.canceled === 0) await turns(1);
    expect(inference.canceled).toBe(1);
  });

  test("at any moment leaves nothing behind", async () => {
    const inference = new HeldModels();
    const decoupled = new ScriptedRepeat(inference.models, () => turns(1));
    await using server = await opened({ inference, decoupled });
    for (let round = 0; round < 300; round++) {
      const call = server.call();
      call.stream.write(identity(`r${round}`));
      call.stream.write(repeat("d", 4));
      await turns(round % 12);
      if (round % 3 === 0) inference.held.get(`r${round}`)?.resolve();
      call.stream.cancel();
      expect(await call.status()).toMatchObject({ code: "CANCELLED" });
    }
    while (decoupled.running > 0) await turns(1);
    const call = server.call();
    call.stream.write(repeat("after", 1));
    call.stream.end();
    expect(await call.until(1)).toHaveLength(1);
  });

  test("a reader that stands still holds back the model", async () => {
    const models = new ScriptedModels();
    const decoupled = new ScriptedRepeat(models);
    await using server = await opened({ models, decoupled });
    const call = server.call();
    call.stream.pause();
    call.stream.write(repeat("flood", 1_000_000));
    while (decoupled.pulled === 0) await turns(1);
    let before = -1;
    while (decoupled.pulled > before) {
      before = decoupled.pulled;
      await turns(2_000);
    }
    expect(decoupled.pulled).toBeLessThan(200_000);
    call.stream.cancel();
    while (decoupled.running > 0) await turns(1);
  });
});

describe("language models", () => {
  test("stream their text piece by piece, and say when it is over", async () => {
    await using server = await opened();
    const call = server.call();
    call.stream.write({ ...ask({ text_input: "tell me", max_tokens: 12 }, "t"), parameters: EMPTY_FINAL });
    call.stream.end();
    expect(await call.status()).toMatchObject({ code: "OK" });
    expect(call.messages.length).toBeGreaterThan(4);
    expect(call.messages.map(isFinal)).toEqual([...call.messages.slice(1).map(() => false), true]);
    expect(call.messages[0]).toMatchObject({
      inferResponse: {
        modelName: SCRIPTED_MODEL,
        modelVersion: "1",
        id: "t",
        outputs: [{ name: "text_output", datatype: "BYTES", shape: [1n] }],
      },
    });
    const whole = server.call();
    whole.stream.write(
      ask({
        text_input: "tell me",
        max_tokens: 12,
        stream: false,
        random_seed: 2n ** 64n - 1n,
        temperature: 0.5,
        stop_words: ["zzz", "yyy"],
      }),
    );
    whole.stream.end();
    expect(await whole.until(1)).toHaveLength(1);
    const request = server.door.text.requests.at(-1);
    expect(request).toMatchObject({ tokensMax: 12, stop: ["zzz", "yyy"], sampling: { seed: 2n ** 64n - 1n, temperature: 0.5 } });
    expect(textOf(whole.messages).length).toBeGreaterThan(10);
    expect(textOf(call.messages.slice(0, -1)).length).toBeGreaterThan(10);
  });

  test.each<[string, InferInit, RegExp]>([
    [
      "without text",
      { ...ask({ text_input: "" }), inputs: [], rawInputContents: [] },
      /expected number of inputs between 1 and 11 but got 0 inputs/,
    ],
    [
      "with an unknown input",
      { ...ask({ text_input: "a" }), inputs: [{ name: "nope", datatype: "BYTES", shape: [1n] }] },
      /unexpected inference input 'nope'/,
    ],
    ["with a limit out of range", ask({ text_input: "a", max_tokens: 0 }), /input 'max_tokens' must be from 1 to/],
    ["with an unknown output", { ...ask({ text_input: "a" }), outputs: [{ name: "nope" }] }, /unexpected inference output 'nope'/],
  ])("%s are refused in the stream, which goes on", async (_, wrong, message) => {
    await using server = await opened();
    const call = server.call();
    call.stream.write({ ...wrong, id: "w" });
    call.stream.write(ask({ text_input: "right", max_tokens: 2, stream: false }, "r"));
    call.stream.end();
    const messages = await call.until(2);
    const refused = messages.find(({ inferResponse }) => inferResponse?.id === "w");
    expect(refused?.errorMessage).toMatch(message);
    expect(await call.status()).toMatchObject({ code: "OK" });
  });

  test("that fail in the middle say so after the text they had", async () => {
    const text = new ScriptedText({ fail: { atPosition: 3, code: "UNAVAILABLE", message: "the node is gone" } });
    await using server = await opened({ text });
    const call = server.call();
    call.stream.write(ask({ text_input: "tell me", max_tokens: 12 }, "f"));
    call.stream.end();
    expect(await call.status()).toMatchObject({ code: "OK" });
    expect(call.messages.at(-1)).toMatchObject({ errorMessage: "the node is gone", inferResponse: { id: "f", modelName: SCRIPTED_MODEL } });
    expect(textOf(call.messages.slice(0, -1)).length).toBeGreaterThan(0);
  });

  test("are resumed after any of their responses, when they have asked for it, and by nobody else", async () => {
    await using server = await opened();
    const said = async (parameters: NonNullable<InferInit["parameters"]>, text = "tell me") => {
      const call = server.call();
      call.stream.write({ ...ask({ text_input: text, max_tokens: 12, random_seed: 3n }), parameters });
      call.stream.end();
      await call.status();
      return call.messages;
    };
    const idOf = ({ inferResponse }: ModelStreamInferResponse) => inferResponse?.parameters["event_id"]?.parameterChoice.value;
    const whole = await said({ resumable: boolParam(true) });
    expect(whole.length).toBeGreaterThan(4);
    for (const [index, message] of whole.entries()) {
      const rest = await said({ last_event_id: stringParam(String(idOf(message))) }, "not looked at");
      expect(rest.map(idOf)).toEqual(whole.slice(index + 1).map(idOf));
      expect(textOf(rest)).toBe(textOf(whole.slice(index + 1)));
    }
    expect((await said({})).map(idOf)).toEqual(whole.map(() => undefined));
    for (const [parameters, why] of [
      [{ resumable: stringParam("perhaps") }, /'resumable' is "perhaps": it may be true or false/],
      [{ last_event_id: stringParam("rubbish!") }, /parameter 'last_event_id' "rubbish!" is no id of an event/],
      [{ last_event_id: stringParam("g99.0.1") }, /no resumable generation/],
    ] as const)
      expect(await said(parameters)).toMatchObject([{ errorMessage: expect.stringMatching(why) }]);
  });
});
