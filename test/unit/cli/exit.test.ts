/** What people read when a command fails. */
import { describe, expect, test } from "vitest";
import { failureLine } from "../../../cli/exit.ts";
import { ServingError } from "../../../core/errors.ts";

const systemError = (code: string, message: string) => Object.assign(new Error(message), { code });

describe("the line of a failure", () => {
  test("is the message when we know what is wrong", () => {
    expect(failureLine(new ServingError("NOT_FOUND", "there is no model x: choose another"))).toBe("there is no model x: choose another");
  });

  test("says what to do about a taken port and a full disk", () => {
    expect(failureLine(systemError("EADDRINUSE", "listen EADDRINUSE 127.0.0.1:8000"))).toMatch(
      /^the port is taken: .*\(listen EADDRINUSE 127/,
    );
    expect(failureLine(systemError("ENOSPC", "write ENOSPC"))).toMatch(/^the disk is full: /);
  });

  test("looks behind an internal error at its cause", () => {
    expect(failureLine(ServingError.from(systemError("EMFILE", "open EMFILE")))).toMatch(/^too many open files/);
  });

  test("has one line even for an error of many, and names the way to see more", () => {
    expect(failureLine(new TypeError("x is undefined\nat y"))).toBe("unexpected error: x is undefined (--verbose shows where)");
    expect(failureLine("odd")).toBe("unexpected error: odd (--verbose shows where)");
  });
});
