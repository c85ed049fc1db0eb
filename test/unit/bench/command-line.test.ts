/** What `npm run bench` understands. */
import { describe, expect, test } from "vitest";
import { helpText, parseBenchCall } from "../../../bench/command-line.ts";

const suites = {
  llm: [
    { name: "native", help: "the same file" },
    { name: "gateway", help: "what it adds" },
  ],
};

describe("the benchmark's command line", () => {
  test("runs every part of a suite, five rounds on one and on two threads, unless told otherwise", () => {
    expect(parseBenchCall(["llm"], suites)).toEqual({
      kind: "run",
      suite: "llm",
      parts: suites.llm,
      rounds: 5,
      threads: [1, 2],
      json: undefined,
    });
  });

  test("takes parts and flags in any order and runs parts in the suite's order", () => {
    const call = parseBenchCall(["llm", "gateway", "--rounds", "2", "native", "--threads=4", "--json", "a.json"], suites);
    expect(call).toEqual({ kind: "run", suite: "llm", parts: suites.llm, rounds: 2, threads: [4], json: "a.json" });
  });

  test.each([[["--help"]], [["llm", "-h"]], [[]]])("gives help for %j", (args) => {
    expect(parseBenchCall(args, suites)).toEqual({ kind: "help" });
  });

  test.each([
    [["small"], /no suite "small"; there are: llm/],
    [["llm", "natve"], /no part "natve"; there are: native, gateway/],
    [["llm", "--rounds", "0"], /--rounds.*1 to 100/],
    [["llm", "--threads", "1,x"], /--threads/],
    [["llm", "--rounds"], /--rounds needs a value/],
    [["llm", "--round", "2"], /--round is no setting/],
  ])("refuses %j with what is allowed", (args, message) => {
    expect(() => parseBenchCall(args, suites)).toThrow(message);
  });

  test("lists every part and every flag in its help", () => {
    const text = helpText(suites);
    for (const word of ["llm", "native", "what it adds", "--rounds", "--threads", "--json"]) expect(text).toContain(word);
  });
});
