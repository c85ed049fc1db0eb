/** The table of `nereid status`. */
import { expect, test } from "vitest";
import { statusReport } from "../../../../cli/status/report.ts";
import { consoleState } from "../../../../gateway/console/state.ts";
import { servedModel } from "../../../support/scripted-text.ts";

const node = (name: string) => ({
  node: name,
  cpu: "x",
  memoryTotalBytes: 2 ** 31,
  memoryFreeBytes: 2 ** 30,
  leaving: false,
  shards: [1],
  models: [],
});
const server = { name: "nereid", version: "1" };

test("says of each node what is there, and of each model where it is", () => {
  const whole = { model: "add_sub", version: "1", state: { kind: "ready", view: "v" } } as const;
  const nowhere = { model: "far", version: "1", reason: "no node has the labels zone=b" };
  const nodes = [
    { ...node("node-a"), labels: { zone: "a", disk: "ssd" }, models: [whole] },
    { ...node("node-b"), leaving: true },
    { ...node("node-c"), leaving: true, shards: [] },
  ];
  expect(statusReport(consoleState(server, [servedModel("tiny")], nodes, [nowhere])).split("\n")).toEqual([
    "node    state     memory free     labels           what is there",
    "node-a  serving   1.0 of 2.0 GiB  zone=a,disk=ssd  tiny stage 1 of 2, add_sub version 1",
    "node-b  draining  1.0 of 2.0 GiB  none             tiny stage 2 of 2",
    "node-c  drained   1.0 of 2.0 GiB  none             nothing",
    "",
    expect.stringMatching(/^model {4}version {2}state +where$/),
    expect.stringMatching(/^tiny {5}1 {8}ready +node-a \(layers 0 to \d+, open\), node-b \(layers \d+ to \d+, open\)$/),
    expect.stringMatching(/^add_sub {2}1 {8}ready +node-a$/),
    "far      1        loading: no node has the labels zone=b",
    "",
  ]);
});

test("an empty cluster is said to be empty", () => {
  expect(statusReport(consoleState(server, [], []))).toBe("no node has reported yet\n\nno models\n");
});
