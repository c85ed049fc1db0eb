/** Which models are listed, and how others are refused. */
import { expect, test } from "vitest";
import { modelAnswer, modelList } from "../../../../gateway/openai/models-answer.ts";
import { servedModel } from "../../../support/scripted-text.ts";

const loading = { ...servedModel("b"), readiness: { kind: "loading", detail: "opening" } } as const;
const failed = { ...servedModel("c"), readiness: { kind: "failed", reason: "secret" } } as const;

test("only models that answer are listed, each name once", () => {
  const models = [servedModel("a"), { ...servedModel("a"), version: "2", createdSeconds: 5 }, loading, failed];
  expect(modelList(models)).toEqual({ object: "list", data: [{ id: "a", object: "model", created: 1_700_000_000, owned_by: "nereid" }] });
});

test("an unknown name is not found, and one that does not answer yet is unavailable", () => {
  expect(() => modelAnswer([loading], "x")).toThrow(expect.objectContaining({ code: "NOT_FOUND", reason: "model_not_found" }));
  expect(() => modelAnswer([loading], "b")).toThrow(
    expect.objectContaining({ code: "UNAVAILABLE", message: expect.stringMatching(/is loading/) }),
  );
  expect(() => modelAnswer([failed], "c")).toThrow(expect.objectContaining({ message: "The model 'c' is not ready: it failed to load" }));
  expect(modelAnswer([loading, servedModel("b")], "b")).toMatchObject({ id: "b" });
});
