/** Trace and log settings: inheritance, and what is refused. */
import { describe, expect, test } from "vitest";
import { LogControl } from "../../../../core/telemetry/log-control.ts";
import { createLogger } from "../../../../core/telemetry/logger.ts";
import { TRACE_VIEW } from "../../../../core/telemetry/trace-config.ts";
import { LogSettings } from "../../../../gateway/kserve/log-settings.ts";
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

  test("take every so many-th request until the count is used up, and show what is left of it", () => {
    const settings = new TraceSettings({ ...TRACE_VIEW, levels: ["TIMESTAMPS"], rate: 3, count: 2 });
    const taken = Array.from({ length: 12 }, (_, request) => (settings.takes("m", true) ? request : undefined));
    expect(taken.filter((request) => request !== undefined)).toEqual([2, 5]);
    expect(settings.view("m").count).toBe(0);
    settings.update(undefined, { count: "1" });
    expect(settings.view(undefined).count).toBe(1);
    expect([1, 2, 3].map(() => settings.takes("m", false))).toEqual([false, false, true]);
  });

  test("of a model count its requests alone", () => {
    const settings = new TraceSettings({ ...TRACE_VIEW, rate: 2 });
    settings.update("m", { levels: ["TIMESTAMPS"], rate: "1", count: "1" });
    expect(settings.takes("other", false)).toBe(false);
    expect([settings.takes("m", false), settings.takes("m", false)]).toEqual([true, false]);
  });

  test("in mode opentelemetry take what clients trace whatever the rate, unless they are off, and cannot be changed", () => {
    const settings = new TraceSettings({ ...TRACE_VIEW, mode: "opentelemetry", levels: ["TIMESTAMPS"], rate: 0 });
    expect([settings.takes("m", true), settings.takes("m", false)]).toEqual([true, false]);
    expect(() => settings.update(undefined, { rate: "1" })).toThrow(expect.objectContaining({ code: "UNIMPLEMENTED" }));
    expect(Object.keys(traceFields(settings.view(undefined)))).not.toContain("trace_file");
    expect(new TraceSettings({ ...TRACE_VIEW, mode: "opentelemetry" }).takes("m", true)).toBe(false);
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
  test("change what is logged at once, for loggers that are there already, too", () => {
    const lines: string[] = [];
    const control = new LogControl("info");
    const logger = createLogger({ level: control, form: "json", write: (line) => lines.push(line) }).child({ node: "n" });
    const settings = new LogSettings(control);
    settings.update({ log_verbose_level: 2, log_info: false, log_format: "ISO8601" });
    expect(settings.view()).toMatchObject({ log_verbose_level: 2, log_info: false, log_error: true, log_format: "ISO8601" });
    logger.debug({}, "verbose");
    logger.info({}, "quiet");
    settings.update({ log_verbose_level: 0, log_info: true });
    logger.debug({}, "quiet");
    logger.info({}, "heard");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { msg: "verbose", node: "n", time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) },
      { msg: "heard" },
    ]);
  });

  test("show what is logged to begin with", () => {
    expect(new LogSettings(new LogControl("warn")).view()).toMatchObject({ log_info: false, log_warning: true, log_verbose_level: 0 });
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
