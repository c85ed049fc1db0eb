/** What the runtime says when a model cannot be opened, as people get it. */
import { expect, test } from "vitest";
import { readableError } from "../../../../node-agent/ort/error-text.ts";

const PLACE =
  "/onnxruntime_src/onnxruntime/core/graph/model.cc:202 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::ModelOptions&) ";
const OPSET_PLACE =
  "/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpsetForDomain(const std::unordered_map<std::__cxx11::basic_string<char>, int>&, bool, int) ";

test("a newer format than the runtime knows is told without the runtime's sources, with both versions and what helps", () => {
  expect(
    readableError(`Load model from /m/1/model.onnx failed:${PLACE}Unsupported model IR version: 99, max supported IR version: 13\n`),
  ).toBe(
    "Load model from /m/1/model.onnx failed:Unsupported model IR version: 99, max supported IR version: 13; export the model with an older version of the format, or serve it with a newer ONNX Runtime",
  );
});

test("newer operators than the runtime knows are told with the newest that it knows", () => {
  const text = `Load model failed:${OPSET_PLACE}ONNX Runtime only *guarantees* support for released opset versions. Opset 99 is under development. Current official support for domain ai.onnx is till opset 26.\n`;
  expect(readableError(text)).toMatch(
    /^Load model failed:ONNX Runtime only .* is till opset 26\.; export the model with an opset that old/,
  );
});

test.each(["No Op registered for Frobnicate with domain_version of 21", "No opset import for domain 'my.ops'"])(
  "an operator that nobody knows is told with what helps: %s",
  (text) => {
    expect(readableError(text)).toBe(
      `${text}; export the model with operators that ONNX Runtime has; libraries of operators are not loaded`,
    );
  },
);

test("any other text stays as it is", () => {
  const text =
    "Non-zero status code returned while running Gather node. Name:'Gather_0' Status Message: indices element out of data bounds";
  expect(readableError(text)).toBe(text);
});
