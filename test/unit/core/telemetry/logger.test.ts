/** What a log line holds, and what it never holds. */
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { createLogger, type LoggerOptions } from "../../../../core/telemetry/logger.ts";

function logged(options: Pick<LoggerOptions, "level" | "form">) {
  const lines: string[] = [];
  return { lines, logger: createLogger({ ...options, write: (line) => lines.push(line) }) };
}

test("a JSON line holds the level, the fields of its logger and its own, and the message", () => {
  const { lines, logger } = logged({ level: "info", form: "json" });
  logger.child({ node: "n1" }).warn({ replica: "m/1/0" }, "it stumbled");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: 40, node: "n1", replica: "m/1/0", msg: "it stumbled" });
});

test("lines below the level are not written", () => {
  const { lines, logger } = logged({ level: "warn", form: "json" });
  logger.info({}, "quiet");
  logger.error({}, "loud");
  expect(lines).toHaveLength(1);
});

test("nothing that a client sends can move a terminal's cursor, begin a line or turn its direction", () => {
  const hostile = "a\u001b[2J\r\nb\u009bc\u202ed";
  for (const form of ["json", "readable"] as const) {
    const { lines, logger } = logged({ level: "info", form });
    logger.info({ model: hostile, err: new ServingError("NOT_FOUND", hostile) }, hostile);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\n]*\n$/);
    const isControl = (code: number) => (code < 32 && code !== 10) || (code >= 127 && code < 160) || code === 0x202e;
    expect([...(lines[0] ?? "")].filter((character) => isControl(character.charCodeAt(0)))).toEqual([]);
  }
});

test("a readable line has the level, the message, the fields and the error in one line", () => {
  const { lines, logger } = logged({ level: "info", form: "readable" });
  logger.error({ node: "n1", err: new ServingError("UNAVAILABLE", "gone") }, "it broke");
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d\d\d ERROR it broke node=n1 err=UNAVAILABLE: gone\n$/);
});
