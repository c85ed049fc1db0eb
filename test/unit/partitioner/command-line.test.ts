/** The partitioner's flags. */
import { expect, test } from "vitest";
import { parseCommandLine } from "../../../partitioner/command-line.ts";

const GIVEN = ["--model-folder", "/m", "--out", "/c"];

test("only the model and the cache have no default", () => {
  expect(parseCommandLine(GIVEN)).toEqual({
    modelFolder: "/m",
    model: "",
    version: "1",
    stage: 0,
    stages: 1,
    quantization: "auto",
    cacheFolder: "/c",
  });
  const all = [...GIVEN, "--version", "7", "--stage", "1", "--stages", "3", "--quantization", "int4"];
  expect(parseCommandLine(all)).toMatchObject({ version: "7", stage: 1, stages: 3, quantization: "int4" });
});

test.each([
  [["--out", "/c"], "--model-folder is missing"],
  [["--model-folder", "/m"], "--out is missing"],
  [[...GIVEN, "--stage", "-1"], "--stage"],
  [[...GIVEN, "--stages", "two"], "--stages must be a whole number, not 'two'"],
  [[...GIVEN, "--quantization", "int2"], "--quantization must be auto, native, int8, int4, fp32, not 'int2'"],
  [[...GIVEN, "--color", "red"], "--color"],
])("%j is refused by name", (argv, message) => {
  expect(() => parseCommandLine(argv)).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
  );
});
