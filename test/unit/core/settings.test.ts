/** Flags, environment and defaults, and what their errors say. */
import { expect, test } from "vitest";
import {
  byteSize,
  listOf,
  manyOf,
  oneOf,
  optional,
  readSettings,
  secret,
  setting,
  settingsMarkdown,
  text,
  wholeNumber,
  yesNo,
} from "../../../core/settings.ts";

const TABLE = {
  httpPort: setting({ kind: wholeNumber(0, 65_535), fallback: 8000, help: "Port for HTTP." }),
  drainMs: setting({ kind: wholeNumber(0, 60_000), fallback: 5000, unit: "ms", help: "Time for running requests at a stop." }),
  logForm: setting({ kind: oneOf(["json", "readable"]), fallback: "json", help: "Form of log lines." }),
  metrics: setting({ kind: yesNo(), fallback: true, help: "Serve metrics." }),
  memoryMax: setting({
    kind: optional(byteSize()),
    fallback: undefined,
    fallbackText: "80 % of the machine's",
    help: "Memory for models.",
  }),
  hosts: setting({ kind: listOf(text("a host name")), fallback: ["localhost"], help: "Hosts." }),
};
const read = (flags: readonly string[], environment: Record<string, string> = {}) => readSettings(TABLE, { flags, environment });
const refusal = (flags: readonly string[], environment: Record<string, string> = {}) => {
  try {
    read(flags, environment);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : "";
  }
  return "";
};

test("without flags and environment the defaults hold", () => {
  expect(read([])).toEqual({ httpPort: 8000, drainMs: 5000, logForm: "json", metrics: true, memoryMax: undefined, hosts: ["localhost"] });
});

test("a flag wins over the environment, which wins over the default", () => {
  const environment = { NEREID_HTTP_PORT: "1", NEREID_DRAIN_MS: "2", NEREID_LOG_FORM: "" };
  expect(read(["--http-port", "3"], environment)).toMatchObject({ httpPort: 3, drainMs: 2, logForm: "json" });
});

test("flags take their value after a space or an equals sign, switches stand alone and are turned off by no", () => {
  const settings = read(["--drain-ms=7", "--memory-max", "512M", "--no-metrics", "--hosts", "a, b"]);
  expect(settings).toMatchObject({ drainMs: 7, memoryMax: 512 * 2 ** 20, metrics: false, hosts: ["a", "b"] });
  expect(read(["--metrics"], { NEREID_METRICS: "no" }).metrics).toBe(true);
});

test("what may be repeated is, and secrets are not shown", () => {
  const table = { rules: setting({ kind: manyOf(secret(oneOf(["a", "b"]))), fallback: [], help: "Rules." }) };
  expect(readSettings(table, { flags: ["--rules", "a", "--rules=b"], environment: {} }).rules).toEqual(["a", "b"]);
  expect(readSettings(table, { flags: [], environment: { NEREID_RULES: "b; a" } }).rules).toEqual(["b", "a"]);
  const wrong = () => readSettings(table, { flags: ["--rules", "password"], environment: {} });
  expect(wrong).toThrow("--rules: what is given is not allowed; allowed: a, b; several with ;");
});

test("an error names the setting as it was given, the value and what is allowed", () => {
  expect(refusal(["--http-port", "70000"])).toBe('--http-port: "70000" is not allowed; allowed: 0 to 65535');
  expect(refusal([], { NEREID_LOG_FORM: "xml" })).toBe('NEREID_LOG_FORM: "xml" is not allowed; allowed: json, readable');
  expect(refusal([], { NEREID_METRICS: "maybe" })).toContain("NEREID_METRICS");
  expect(refusal(["--memory-max", "12Q"])).toContain("--memory-max");
  expect(refusal(["--http-port"])).toContain("--http-port needs a value");
  expect(refusal(["--htp-port", "1"])).toContain("--htp-port is no setting");
  expect(refusal(["--no-http-port"])).toContain("--no-http-port is no setting");
  expect(refusal(["--http-port", "1e3"])).toContain("--http-port");
});

test("the manual's table names every setting with its flag, variable, default, limits and unit", () => {
  const markdown = settingsMarkdown(TABLE);
  for (const word of [
    "--http-port",
    "NEREID_HTTP_PORT",
    "8000",
    "0 to 65535",
    "0 to 60000 ms",
    "80 % of the machine's",
    "Port for HTTP.",
  ]) {
    expect(markdown).toContain(word);
  }
});
