/** Parameters of a configuration become options of the runtime's session. */
import { describe, expect, test } from "vitest";
import { draftConfig, finishConfig } from "../../../../core/model/config/prepare.ts";
import { onnxSessionOptions } from "../../../../node-agent/models/onnx-config-session.ts";

function optionsOf(text: string) {
  const draft = draftConfig({ name: "m", files: ["1/model.py"] }, { kind: "file", name: "config.pbtxt", text });
  const { configuration } = finishConfig(draft, { signature: undefined });
  if (configuration === undefined) throw new Error("the configuration has problems");
  return onnxSessionOptions(configuration);
}

const parameter = (name: string, value: string): string => `parameters { key: "${name}" value { string_value: "${value}" } }`;

describe("options of a session", () => {
  test("are the runtime's choices unless the configuration says otherwise", () => {
    expect(optionsOf("")).toEqual({
      intraThreads: 0,
      interThreads: 0,
      optimization: 99,
      execution: "sequential",
      memoryArena: true,
      memoryPattern: true,
      configEntries: {},
    });
  });

  test("come from parameters and from the optimization", () => {
    const text = [
      parameter("intra_op_thread_count", "3"),
      parameter("inter_op_thread_count", "2"),
      parameter("execution_mode", "1"),
      parameter("enable_mem_arena", "0"),
      parameter("enable_mem_pattern", "0"),
      parameter("session.intra_op.allow_spinning", "0"),
      "optimization { graph { level: 2 } }",
    ].join("\n");
    expect(optionsOf(text)).toEqual({
      intraThreads: 3,
      interThreads: 2,
      optimization: 0,
      execution: "parallel",
      memoryArena: false,
      memoryPattern: false,
      configEntries: { "session.intra_op.allow_spinning": "0" },
    });
  });

  test.each(["session.model_external_initializers_file_folder_path", "session.load_model_format", "session.optimized_model_filepath"])(
    "do not lead to other files: %s is refused",
    (name) => expect(() => optionsOf(parameter(name, "../secret"))).toThrow(`the parameter ${name} names files or formats`),
  );

  test("are refused when a number is none", () => {
    expect(() => optionsOf(parameter("intra_op_thread_count", "many"))).toThrow(
      "failed to convert intra_op_thread_count 'many' to integral number",
    );
  });
});
