/** Trace and log settings: inheritance, and what is refused. */
import { describe, expect, test } from "vitest";
import { LogSettings, type LogView } from "../../../../gateway/kserve/log-settings.ts";
import { TraceSettings, traceFields } from "../../../../gateway/kserve/trace-settings.ts";

describe("trace settings", () => {
  test("of a model are the global ones until it has its own, and again once they are cleared", () => {
    const settings = new TraceSettings();
    settings.update(undefined, { rate: "5", levels: ["TENSORS", "TIMESTAMPS", "NOPE"] });
    settings.update("m", { rate: "7", count: "10" });
    expect(traceFields(settings.view("m"))).toEqual({
      trace_level: ["TIMESTAMPS", "TENSORS"],
      trace_rate: "7",
      trace_count: "10",
      log_frequency: "0",
      trace_file: "",
      trace_mode: "triton",
    });
    settings.update("m", { cleared: ["rate"], levels: ["OFF"] });
    expect(settings.view("m")).toMatchObject({ rate: 5, count: 10, levels: [] });
    settings.update(undefined, { cleared: ["rate", "levels"] });
    expect(settings.view(undefined)).toMatchObject({ rate: 1_000, levels: [] });
    expect(settings.view("m")).toMatchObject({ rate: 1_000, count: 10 });
  });

  test("that name no known level leave the level as it is", () => {
    const settings = new TraceSettings();
    settings.update(undefined, { levels: ["TENSORS"] });
    settings.update(undefined, { levels: ["NOPE"] });
    expect(settings.view(undefined).levels).toEqual(["TENSORS"]);
  });

  test.each([
    [{ levels: ["OFF", "TENSORS"] }, "Expect only one trace level 'OFF' is specified"],
    [{ rate: "x" }, "Unable to parse 'trace_rate', got: x"],
    [{ rate: "-1" }, "Unable to parse 'trace_rate', value is out of range [ 0, 4294967295 ], got: -1"],
    [{ count: "-2" }, "Unable to parse 'trace_count'. Expecting value >= -1, got:-2"],
    [{ count: "99999999999" }, "Unable to parse 'trace_count', value is out of range [ -1, 2147483647 ], got: 99999999999"],
    [{ logFrequency: "" }, "Unable to parse 'log_frequency', got: "],
  ])("%j is refused, and changes nothing", (change, message) => {
    const settings = new TraceSettings();
    expect(() => settings.update(undefined, { rate: "3", ...change })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message }),
    );
    expect(settings.view(undefined).rate).toBe(1_000);
  });
});

describe("log settings", () => {
  test("change at once, and who logs is told", () => {
    const told: LogView[] = [];
    const settings = new LogSettings((view) => told.push(view));
    settings.update({ log_verbose_level: 2, log_info: false, log_format: "ISO8601" });
    expect(settings.view()).toMatchObject({ log_verbose_level: 2, log_info: false, log_error: true, log_format: "ISO8601" });
    expect(told).toEqual([settings.view()]);
  });

  test("refuse a file and an unknown format with Triton's codes", () => {
    const settings = new LogSettings();
    expect(() => settings.update({ log_file: "/x" })).toThrow(
      expect.objectContaining({ code: "UNIMPLEMENTED", message: "log file location can not be updated through network protocol" }),
    );
    expect(() => settings.update({ log_format: "x" })).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE", message: "invalid argument for --log_format, got: x" }),
    );
  });
});
