import { expect, test } from "vitest";
import { parseVersion } from "../../../../gateway/kserve-grpc/models.ts";

test.each([
  ["", undefined],
  ["1", 1],
  ["007", 7],
  ["0", 0],
  [" 3", 3],
])("the version %j is %j", (text, version) => {
  expect(parseVersion(text)).toBe(version);
});

test.each(["abc", "1.5", "1e3", "12abc", "99999999999999999999", "0x1", "--1"])("%j is no version", (text) => {
  expect(() => parseVersion(text)).toThrow(
    `failed to get model version from specified version string '${text}' (details: stol), version should be an integral value > 0`,
  );
});

test("a negative version is refused as such", () => {
  expect(() => parseVersion("-1")).toThrow("invalid model version specified '-1' , version should be an integral value > 0");
});
