/** What the HTTP client does on the wire, and with answers that have their numbers in JSON. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { HttpClientOptions } from "../../client/http/exchange.ts";
import { HttpClient } from "../../client/http/http-client.ts";
import { tensor } from "../../client/tensor-input.ts";
import { type ClientDoors, startClientDoors } from "./client-doors.ts";

let doors: ClientDoors;

beforeAll(async () => {
  doors = await startClientDoors();
});

afterAll(() => doors[Symbol.asyncDispose]());

const IDENTITY = { model: "identity_fp32", inputs: [tensor("INPUT0", "FP32", [1, 2000], new Float32Array(2000).fill(0.25))] };

interface Exchanged {
  readonly url: string;
  readonly sent: Headers;
  readonly received: Headers;
  /** Of the request's body. */
  readonly bytes: number;
}

/** A client, and what it exchanges. */
function watched(options: HttpClientOptions = {}, address = doors.httpAddress) {
  const exchanged: Exchanged[] = [];
  const client = new HttpClient(address, {
    ...options,
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      const bytes = init.body instanceof Uint8Array ? init.body.byteLength : 0;
      exchanged.push({ url, sent: new Headers(init.headers), received: response.headers, bytes });
      return response;
    },
  });
  return { client, exchanged };
}

test("answers are compressed only when that is asked for", async () => {
  const plain = watched();
  await plain.client.infer(IDENTITY);
  expect(plain.exchanged[0]?.received.get("content-encoding")).toBeNull();
  for (const responseCompression of ["gzip", "deflate"] as const) {
    const { client, exchanged } = watched({ responseCompression });
    const { outputs } = await client.infer(IDENTITY);
    expect(exchanged[0]?.received.get("content-encoding")).toBe(responseCompression);
    expect(outputs[0]?.data).toEqual(new Float32Array(2000).fill(0.25));
  }
});

test("a compressed request is smaller", async () => {
  const { client, exchanged } = watched({ compression: "gzip" });
  await client.infer(IDENTITY);
  expect(exchanged[0]?.sent.get("content-encoding")).toBe("gzip");
  expect(exchanged[0]?.bytes).toBeLessThan(1000);
});

test("headers of the client and of the call are sent, the call's over the client's", async () => {
  const { client, exchanged } = watched({ headers: { authorization: "Bearer a", "x-one": "client" } });
  await client.isLive({ headers: { "x-one": "call" } });
  expect(exchanged[0]?.sent.get("authorization")).toBe("Bearer a");
  expect(exchanged[0]?.sent.get("x-one")).toBe("call");
});

test("an address may lack its scheme, or end with a slash", async () => {
  const bare = watched({}, `${doors.httpAddress.replace("http://", "")}/`);
  expect(await bare.client.isLive()).toBe(true);
  expect(bare.exchanged[0]?.url).toBe(`${doors.httpAddress}/v2/health/live`);
});

test("connections are used again unless that is turned off", async () => {
  const kept = watched();
  await kept.client.isLive();
  expect(kept.exchanged[0]?.received.get("connection")).toBe("keep-alive");
  const closed = watched({ keepAlive: false });
  await closed.client.isLive();
  expect(closed.exchanged[0]?.received.get("connection")).toBe("close");
});

test.each([
  ["INT64", [2n ** 63n - 1n, -(2n ** 63n)]],
  ["UINT64", [2n ** 64n - 1n, 0n]],
  ["FP32", [Number.NaN, Number.NEGATIVE_INFINITY]],
  ["FP64", [0.1, Number.POSITIVE_INFINITY]],
  ["INT8", [-128, 127]],
] as const)("%s that comes as JSON is exact", async (dtype, values) => {
  const inputs = [tensor<"INT64" | "UINT64" | "FP32" | "FP64" | "INT8">("IN", dtype, [1, 2], [...values])];
  const [result] = await Array.fromAsync(new HttpClient(doors.httpAddress).inferStream({ model: `any_${dtype}`, inputs }));
  expect(Array.from<number | bigint>(result?.output("OUT").as(dtype) ?? [])).toEqual([...values]);
});

test("BOOL and BYTES that come as JSON are exact", async () => {
  const client = new HttpClient(doors.httpAddress);
  const [flags] = await Array.fromAsync(
    client.inferStream({ model: "any_BOOL", inputs: [tensor("IN", "BOOL", [1, 3], [true, false, true])] }),
  );
  expect(flags?.output("OUT").data).toEqual(new Uint8Array([1, 0, 1]));
  const [texts] = await Array.fromAsync(client.inferStream({ model: "any_BYTES", inputs: [tensor("IN", "BYTES", [1, 2], ['海 "', ""])] }));
  expect(texts?.output("OUT").strings()).toEqual(['海 "', ""]);
});

test("an answer that is none of the protocol's is told as such", async () => {
  const odd = (body: string, headers = {}) => new HttpClient("http://odd", { fetch: async () => new Response(body, { headers }) });
  await expect(odd("<html>").serverMetadata()).rejects.toMatchObject({ code: "INTERNAL", message: /no JSON: <html>/ });
  await expect(odd("{}").serverMetadata()).rejects.toThrow("the server's answer cannot be read: it has no 'name'");
  await expect(odd("[]").infer(IDENTITY)).rejects.toThrow("an inference without a model's name");
  await expect(odd("{}", { "inference-header-content-length": "9" }).infer(IDENTITY)).rejects.toThrow("its JSON has 9 of 2 bytes");
  const cut = '{"model_name":"m","outputs":[{"name":"o","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}';
  await expect(odd(cut).infer(IDENTITY)).rejects.toThrow("its outputs have more than its 0 bytes");
});
