/** Configurations in JSON: as Triton answers them, byte for byte, and as clients send them. */

import { readFileSync } from "node:fs";
import { equals } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import type { ModelConfiguration } from "../../../../../../core/model/config/configuration.ts";
import { draftConfig, finishConfig } from "../../../../../../core/model/config/prepare.ts";
import { configJson } from "../../../../../../core/model/config/text/config-json.ts";
import { configText } from "../../../../../../core/model/config/text/config-text.ts";
import { parseModelConfigJson } from "../../../../../../core/model/config/text/parse-json.ts";
import { parseModelConfig } from "../../../../../../core/model/config/text/parse-text.ts";
import { ModelConfigSchema } from "../../../../../../protos/gen/model_config_pb.ts";
import { EVERYTHING } from "../everything.ts";

const golden = (name: string): string =>
  readFileSync(new URL(`../../../../../golden/triton-configs/${name}`, import.meta.url), "utf8").trimEnd();

function served(model: string, composing?: ReadonlyMap<string, ModelConfiguration>) {
  const text = golden(`${model}.pbtxt`);
  const draft = draftConfig(
    { name: model, files: ["config.pbtxt", model === "ens" ? "1/.keep" : "1/model.py"] },
    { kind: "file", name: "config.pbtxt", text },
  );
  return finishConfig(draft, { signature: undefined, ...(composing === undefined ? {} : { composing }) });
}

describe("the JSON of a configuration", () => {
  test.each(["add_sub", "identity_cached", "identity_dyn", "identity_fp32", "identity_str", "repeat"])(
    "of %s is Triton's to the byte",
    (model) => {
      expect(configJson(served(model).config)).toBe(golden(`${model}.json`));
    },
  );

  test("of an ensemble is Triton's to the byte once its composing models are known", () => {
    const { configuration } = served("identity_fp32");
    if (configuration === undefined) throw new Error("identity_fp32 has problems");
    // The server that answered was older than this field.
    const newer = golden("ens.json").replace('"model_namespace":""}]}', '"model_namespace":""}],"max_inflight_requests":0}');
    expect(configJson(served("ens", new Map([["identity_fp32", configuration]])).config)).toBe(newer);
  });

  test("reads back to the same configuration, as does its text", () => {
    const { config } = parseModelConfig(EVERYTHING, "config.pbtxt");
    expect(equals(ModelConfigSchema, parseModelConfigJson(configJson(config)), config)).toBe(true);
    expect(equals(ModelConfigSchema, parseModelConfig(configText(config), "config.pbtxt").config, config)).toBe(true);
  });

  test("has 64-bit numbers as numbers with all their digits, but as text where Triton leaves them so", () => {
    const { config } = parseModelConfig(
      `input { name: "x" dims: 9007199254740993 } dynamic_batching { max_queue_delay_microseconds: 18446744073709551615 priority_queue_policy { key: 10 value { } } priority_queue_policy { key: 9 value { } } }
       instance_group { secondary_devices { device_id: 3 } }`,
      "config.pbtxt",
    );
    const json = configJson(config);
    expect(json).toContain('"dims":[9007199254740993]');
    expect(json).toContain('"max_queue_delay_microseconds":18446744073709551615');
    expect(json).toContain('"device_id":"3"');
    expect(json.indexOf('"9":')).toBeLessThan(json.indexOf('"10":'));
    expect(equals(ModelConfigSchema, parseModelConfigJson(json), config)).toBe(true);
  });

  test("has the shortest decimals of 32-bit numbers", () => {
    const { config } = parseModelConfig("sequence_batching { direct { minimum_slot_utilization: 0.1 } }", "config.pbtxt");
    expect(configJson(config)).toContain('"minimum_slot_utilization":0.1}');
  });
});

describe("a configuration in JSON from a client", () => {
  test("may name values of enumerations in any case, and fields in either spelling", () => {
    const config = parseModelConfigJson(
      '{"backend":"onnxruntime","maxBatchSize":2,"input":[{"name":"x","data_type":"type_fp32","dims":["4"]}],"instance_group":[{"kind":"kind_cpu"}]}',
    );
    expect(configJson(config)).toContain(
      '"max_batch_size":2,"input":[{"name":"x","data_type":"TYPE_FP32","format":"FORMAT_NONE","dims":[4]',
    );
    expect(configJson(config)).toContain('"kind":"KIND_CPU"');
  });

  test.each([
    ["no JSON", "{", /JSON/],
    ["no object", "5", /./],
    ["an unknown field", '{"bogus":1}', /bogus/],
    ["an unknown value of an enumeration", '{"input":[{"data_type":"TYPE_FP23"}]}', /TYPE_FP23/],
    ["a text for a number", '{"max_batch_size":"many"}', /max_batch_size/],
    ["two schedulers", '{"dynamic_batching":{},"sequence_batching":{}}', /scheduling_choice/],
  ])("is refused when it is or has %s", (_, json, message) => {
    expect(() => parseModelConfigJson(json)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) }),
    );
  });
});
