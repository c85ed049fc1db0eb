/** Every call that was recorded at Triton over gRPC, and its answer: status, details and messages. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { asJson } from "./grpc-client.ts";
import { startGrpcDoor } from "./grpc-door.ts";
import { callAgain, GRPC_CAPTURES, GRPC_DEVIATIONS, messageOf, recordedCall, recordedCalls } from "./recorded-grpc.ts";

const COMPATIBILITY = join(import.meta.dirname, "../../COMPATIBILITY.md");

/** Their values are a clock's, or in the order of a hash table. */
const COMPARED_AS_JSON = /^(stats|config|log|trace|infer_ens)/;

test.each(recordedCalls())("%s is answered as Triton answered it, or as COMPATIBILITY.md says", async (name) => {
  const capture = recordedCall(name);
  await using door = await startGrpcDoor();
  const ours = await callAgain(door.port, name);
  const { code, details } = GRPC_DEVIATIONS[name] ?? capture;
  expect({ code: ours.code, details: ours.details }).toEqual({ code, details });
  if (GRPC_DEVIATIONS[name] !== undefined) return;
  if (capture.request === "large") {
    expect(ours.messages.map(({ byteLength }) => ({ bytes: byteLength }))).toEqual(capture.response);
    return;
  }
  expect(ours.messages).toHaveLength(capture.response.length);
  const output = messageOf(capture.method).output;
  ours.messages.forEach((message, index) => {
    const recorded = readFileSync(join(GRPC_CAPTURES, `${name}.${index}.bin`));
    if (COMPARED_AS_JSON.test(name)) expect(asJson(output, message)).toEqual(asJson(output, recorded));
    else expect(Buffer.from(message).toString("hex")).toBe(recorded.toString("hex"));
  });
});

test("every message that was recorded is compared", () => {
  const messages = recordedCalls().flatMap((name) => {
    const { request, response } = recordedCall(name);
    return request === "large" ? [] : response.map((_, index) => `${name}.${index}.bin`);
  });
  const files = readdirSync(GRPC_CAPTURES).filter((file) => !file.endsWith(".json"));
  expect(files.toSorted()).toEqual(messages.toSorted());
});

test("COMPATIBILITY.md lists the calls that are answered otherwise, and no others", () => {
  const list = /<!-- calls -->\n([\s\S]*?)<!-- \/calls -->/.exec(readFileSync(COMPATIBILITY, "utf8"))?.[1] ?? "";
  const listed = [...list.matchAll(/^- `([^`]+)`: /gm)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual(Object.keys(GRPC_DEVIATIONS).toSorted());
});
