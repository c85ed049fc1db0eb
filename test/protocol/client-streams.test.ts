/** Streams of the package's clients: decoupled models, many requests on a stream, generated text; all of them end when their reader goes. */
import { describe, expect, test } from "vitest";
import { GrpcClient } from "../../client/grpc/grpc-client.ts";
import type { InferStreamItem } from "../../client/grpc/infer-stream.ts";
import { HttpClient } from "../../client/http/http-client.ts";
import { tensor } from "../../client/tensor-input.ts";
import { HeldPace } from "../support/held-pace.ts";
import { SCRIPTED_MODEL, ScriptedText } from "../support/scripted-text.ts";
import { startClientDoors } from "./client-doors.ts";

const GENERATE = { model: SCRIPTED_MODEL, inputs: { text_input: "Hello sea", max_tokens: 5, temperature: 0 } };
const TEXT = {
  model: SCRIPTED_MODEL,
  inputs: [
    tensor("text_input", "BYTES", [1], ["Hello sea"]),
    tensor("max_tokens", "INT32", [1], [5]),
    tensor("temperature", "FP32", [1], [0]),
  ],
};
const repeat = (count: number, id = "") => ({ model: "repeat", id, inputs: [tensor("N", "INT32", [1], [count])] });

const gatheredText = async (pieces: AsyncIterable<{ readonly [name: string]: unknown }>) =>
  (await Array.fromAsync(pieces)).map((piece) => String(piece["text_output"]));

describe("generated text over HTTP", () => {
  test("comes whole, or piece by piece, and is the same", async () => {
    await using doors = await startClientDoors();
    await using client = new HttpClient(doors.httpAddress);
    const whole = await client.generate({ ...GENERATE, id: "a" });
    expect(whole).toMatchObject({ model_name: SCRIPTED_MODEL, model_version: "1", id: "a" });
    const pieces = await gatheredText(client.generateStream(GENERATE));
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.join("")).toBe(whole["text_output"]);
  });

  test("arrives as it is made, and the server stops when the loop is left", async () => {
    const hold = new HeldPace(2);
    await using doors = await startClientDoors({ text: new ScriptedText(hold) });
    await using client = new HttpClient(doors.httpAddress);
    let seen = 0;
    for await (const piece of client.generateStream(GENERATE)) {
      expect(piece.model_name).toBe(SCRIPTED_MODEL);
      if (++seen === 2) break;
    }
    await expect.poll(() => doors.text.canceled, { interval: 1 }).toBe(1);
    expect(doors.text.running).toBe(0);
  });

  test("ends with CANCELLED when its signal aborts, with DEADLINE_EXCEEDED when its time is up", async () => {
    const hold = new HeldPace(1);
    await using doors = await startClientDoors({ text: new ScriptedText(hold) });
    await using client = new HttpClient(doors.httpAddress);
    const controller = new AbortController();
    const stream = client.generateStream(GENERATE, { signal: controller.signal });
    expect((await stream.next()).done).toBe(false);
    controller.abort();
    await expect(stream.next()).rejects.toMatchObject({ code: "CANCELLED" });
    const late = Array.fromAsync(client.generateStream(GENERATE, { timeoutMs: 50 }));
    await expect(late).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await expect.poll(() => doors.text.canceled, { interval: 1 }).toBe(2);
  });

  test("fails with the server's status before the first piece, and with its text after it", async () => {
    const fail = { atPosition: 2, code: "UNAVAILABLE", message: "the node is gone" } as const;
    await using doors = await startClientDoors({ text: new ScriptedText({ fail }) });
    await using client = new HttpClient(doors.httpAddress);
    const unknown = client.generateStream({ ...GENERATE, model: "nope" }).next();
    await expect(unknown).rejects.toMatchObject({ code: "NOT_FOUND", status: 404 });
    const stream = client.generateStream(GENERATE);
    await stream.next();
    await stream.next();
    await expect(stream.next()).rejects.toMatchObject({ code: "UNKNOWN", message: "the node is gone" });
  });

  test("goes on after its last piece when the connection is lost, as often as it is", async () => {
    await using doors = await startClientDoors();
    const whole = await new HttpClient(doors.httpAddress).generate(GENERATE);
    let connections = 0;
    /** Two events, then the connection is gone; once nobody answers at all. */
    const cut = async (url: string, init: RequestInit) => {
      connections += 1;
      if (connections === 2) throw new TypeError("fetch failed");
      const response = await fetch(url, init);
      let events = 0;
      const body = response.body?.pipeThrough(
        new TransformStream<Uint8Array, Uint8Array>({
          transform(piece, controller) {
            for (const event of Buffer.from(piece)
              .toString()
              .split(/(?<=\n\n)/)) {
              if (events === 2) throw new TypeError("terminated");
              events += 1;
              controller.enqueue(Buffer.from(event));
            }
          },
        }),
      );
      return new Response(body ?? null, response);
    };
    await using client = new HttpClient(doors.httpAddress, { fetch: cut });
    const pieces = await gatheredText(client.generateStream(GENERATE, { resumable: true }));
    expect(pieces.join("")).toBe(whole["text_output"]);
    expect(connections).toBeGreaterThan(3);
    await expect(gatheredText(client.generateStream(GENERATE))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("of models of tensors is a flat object, too", async () => {
    await using doors = await startClientDoors();
    await using client = new HttpClient(doors.httpAddress);
    const answer = await client.generate({ model: "identity_str", inputs: { INPUT0: "salt" } });
    expect(answer).toEqual({ model_name: "identity_str", model_version: "1", OUTPUT0: "salt" });
    const inputs = [tensor("INPUT0", "BYTES", [1, 2], ["a", "b"])];
    const results = await Array.fromAsync(client.inferStream({ model: "identity_str", inputs }));
    expect(results.map((result) => result.output("OUTPUT0").strings())).toEqual([["a", "b"]]);
  });
});

describe("a decoupled model over gRPC", () => {
  test("gives all its answers, and none is a call of its own", async () => {
    await using doors = await startClientDoors();
    await using client = new GrpcClient(doors.grpcAddress);
    const results = await Array.fromAsync(client.inferStream(repeat(3, "r")));
    expect(results.map((result) => [result.id, ...result.output("OUT").as("INT32")])).toEqual([
      ["r", 0],
      ["r", 1],
      ["r", 2],
    ]);
    expect(await Array.fromAsync(client.inferStream(repeat(0)))).toEqual([]);
  });

  test("can be a language model: the text is the one that HTTP gives", async () => {
    await using doors = await startClientDoors();
    await using grpc = new GrpcClient(doors.grpcAddress);
    await using http = new HttpClient(doors.httpAddress);
    const pieces = await Array.fromAsync(grpc.inferStream(TEXT), (result) => result.output("text_output").strings()[0]);
    expect(pieces).toEqual(await gatheredText(http.generateStream(GENERATE)));
  });

  test("is stopped when the loop is left, the signal aborts, or the time is up", async () => {
    const hold = new HeldPace(2);
    await using doors = await startClientDoors({ text: new ScriptedText(hold) });
    await using client = new GrpcClient(doors.grpcAddress);
    for await (const result of client.inferStream(TEXT)) {
      expect(result.model).toBe(SCRIPTED_MODEL);
      break;
    }
    await expect.poll(() => doors.text.canceled, { interval: 1 }).toBe(1);
    const controller = new AbortController();
    const stream = client.inferStream(TEXT, { signal: controller.signal });
    await stream.next();
    await stream.next();
    const third = expect(stream.next()).rejects.toMatchObject({ code: "CANCELLED", cause: "enough" });
    controller.abort("enough");
    await third;
    await expect.poll(() => doors.text.canceled, { interval: 1 }).toBe(2);
    await expect(Array.fromAsync(client.inferStream(TEXT, { timeoutMs: 50 }))).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await expect.poll(() => doors.text.canceled, { interval: 1 }).toBe(3);
  });

  test("fails with the text of the server", async () => {
    await using doors = await startClientDoors();
    await using client = new GrpcClient(doors.grpcAddress);
    await expect(Array.fromAsync(client.inferStream(repeat(-1)))).rejects.toMatchObject({ code: "UNKNOWN", message: "N is negative" });
  });
});

describe("a gRPC stream of many requests", () => {
  const told = (item: InferStreamItem) =>
    item.kind === "failure"
      ? [item.id, item.error.message]
      : [item.result.id, item.result.isFinal, ...item.result.outputs.flatMap((output) => [...(output.data as Iterable<unknown>)])];

  test("answers each, goes on after a failure, and says which answer is a request's last", async () => {
    await using doors = await startClientDoors();
    await using client = new GrpcClient(doors.grpcAddress);
    await using stream = await client.openStream();
    const value = (id: string, model: string) => ({ id, model, inputs: [tensor("INPUT0", "FP32", [1, 1], [1.5])] });
    await stream.send(value("a", "identity_fp32"));
    await stream.send(value("b", "nope"));
    await stream.send(repeat(2, "c"));
    stream.end();
    const items = (await Array.fromAsync(stream)).map(told);
    expect(items.filter(([id]) => id === "a")).toEqual([["a", true, 1.5]]);
    expect(items.filter(([id]) => id === "b")).toEqual([["b", "Request for unknown model: 'nope' is not found"]]);
    expect(items.filter(([id]) => id === "c")).toEqual([
      ["c", false, 0],
      ["c", false, 1],
      ["c", true],
    ]);
    await expect(stream.send(repeat(1))).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
  });

  test("takes requests while it gives answers, as many as there are", async () => {
    await using doors = await startClientDoors();
    await using client = new GrpcClient(doors.grpcAddress);
    await using stream = await client.openStream();
    const sending = (async () => {
      for (let index = 0; index < 1000; index++) {
        await stream.send({
          id: String(index),
          model: "identity_fp32",
          inputs: [tensor("INPUT0", "FP32", [1, 1000], new Float32Array(1000).fill(index))],
        });
      }
      stream.end();
    })();
    const ids = await Array.fromAsync(stream, (item) => (item.kind === "result" ? Number(item.result.id) : -1));
    await sending;
    expect(ids).toEqual(Array.from({ length: 1000 }, (_, index) => index));
  });

  test("is canceled with what runs on it when it is disposed of", async () => {
    const hold = new HeldPace(1);
    await using doors = await startClientDoors({ text: new ScriptedText(hold) });
    await using client = new GrpcClient(doors.grpcAddress);
    {
      await using stream = await client.openStream();
      await stream.send(TEXT);
      await expect.poll(() => hold.held, { interval: 1 }).toBe(1);
    }
    await expect.poll(() => doors.text.canceled, { interval: 1 }).toBe(1);
  });
});
