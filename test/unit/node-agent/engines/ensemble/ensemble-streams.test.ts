/** Ensembles with models that answer any number of times: what comes after runs once for each answer, in their order, within its places. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../../core/errors.ts";
import { ints } from "../batch/batch-world.ts";
import { EnsembleWorld, planOf, type StepText } from "./ensemble-world.ts";

const one = (name: string, value: number) => ints(name, [1], [value]);
const X = [one("X", 5)];
const MANY: StepText = { model: "many", takes: { IN: "x" }, gives: { OUT: "m" }, decoupled: true };
const BEFORE: StepText = { model: "before", takes: { IN: "X" }, gives: { OUT: "x" } };
const AFTER: StepText = { model: "after", takes: { IN: "m" }, gives: { OUT: "Y" } };

const LAST = planOf([BEFORE, { ...MANY, gives: { OUT: "Y" } }], { inputs: ["X"], outputs: ["Y"] });
const MIDDLE = (maxInflight = 0) => planOf([BEFORE, MANY, AFTER], { inputs: ["X"], outputs: ["Y"], maxInflight });

async function streaming(world: EnsembleWorld) {
  const stream = await world.stream(X);
  await world.models.answer("before", [one("OUT", 1)]);
  return stream;
}

describe("an ensemble whose last step answers any number of times", () => {
  test("gives each answer as it comes, and ends when the step does", async () => {
    const world = new EnsembleWorld(LAST);
    const { came } = await streaming(world);
    await world.models.respond("many", [one("OUT", 7)]);
    expect(came).toEqual(["Y=7"]);
    await world.models.respond("many", [one("OUT", 8)]);
    await world.models.answer("many", []);
    expect(came).toEqual(["Y=7", "Y=8", "end"]);
    expect(world.engine.load().running).toBe(0);
  });

  test("takes the tensors that come with the end for an answer, too, and may give none at all", async () => {
    const world = new EnsembleWorld(LAST);
    const some = await streaming(world);
    await world.models.answer("many", [one("OUT", 9)]);
    expect(some.came).toEqual(["Y=9", "end"]);
    const none = await streaming(world);
    await world.models.answer("many", []);
    expect(none.came).toEqual(["end"]);
  });

  test("is not asked by whoever takes one answer", async () => {
    await expect(new EnsembleWorld(LAST).send(X)).rejects.toThrow("ask for a stream");
  });

  test("counts a request once, and its answers by their place", async () => {
    const world = new EnsembleWorld(LAST);
    await streaming(world);
    await world.models.respond("many", [one("OUT", 7)]);
    await world.models.answer("many", []);
    const { success, responses } = world.engine.statistics();
    expect([success.count, responses?.places.map((place) => [place.success.count, place.empty.count])]).toEqual([
      1,
      [
        [1, 0],
        [0, 1],
      ],
    ]);
  });
});

describe("steps after one that answers any number of times", () => {
  test("run once for each answer, side by side, and what they make leaves in the answers' order", async () => {
    const world = new EnsembleWorld(MIDDLE());
    const { came } = await streaming(world);
    for (const value of [1, 2, 3]) await world.models.respond("many", [one("OUT", value)]);
    await world.models.answer("many", []);
    expect(world.models.names).toEqual(["before", "many", "after", "after", "after"]);
    const [first, second, third] = world.models.called.slice(2);
    const times = { queueUs: 0, computeInputUs: 0, computeInferUs: 0, computeOutputUs: 0 };
    third?.sink.answered([one("OUT", 30)], times);
    second?.sink.answered([one("OUT", 20)], times);
    expect(came).toEqual([]);
    first?.sink.answered([one("OUT", 10)], times);
    expect(came).toEqual(["Y=10", "Y=20", "Y=30", "end"]);
  });

  test("may answer any number of times themselves", async () => {
    const world = new EnsembleWorld(planOf([BEFORE, MANY, { ...AFTER, decoupled: true }], { inputs: ["X"], outputs: ["Y"] }));
    const { came } = await streaming(world);
    await world.models.respond("many", [one("OUT", 1)]);
    await world.models.respond("after", [one("OUT", 11)]);
    await world.models.respond("after", [one("OUT", 12)]);
    await world.models.answer("many", []);
    expect(came).toEqual(["Y=11", "Y=12"]);
    await world.models.answer("after", []);
    expect(came).toEqual(["Y=11", "Y=12", "end"]);
  });

  test("that no wanted output needs do not run", async () => {
    const world = new EnsembleWorld(planOf([BEFORE, MANY, AFTER], { inputs: ["X"], outputs: ["x", "Y"] }));
    const { came } = await world.stream(X, { outputs: ["x"] });
    await world.models.answer("before", [one("OUT", 4)]);
    expect([world.models.names, came]).toEqual([["before"], ["end x=4"]]);
  });
});

describe("a step that answers any number of times is held back", () => {
  test("while a step behind it has no place, and goes on when it has one", async () => {
    const world = new EnsembleWorld(MIDDLE(1));
    await streaming(world);
    expect(await world.models.respond("many", [one("OUT", 1)])).toBe(true);
    expect(await world.models.respond("many", [one("OUT", 2)])).toBe(false);
    const many = world.models.called[1];
    expect([world.models.names.length, many?.resumed]).toEqual([3, 0]);
    await world.models.answer("after", [one("OUT", 10)]);
    expect([world.models.names.length, many?.resumed]).toEqual([4, 1]);
  });

  test("by other requests' use of the places, too", async () => {
    const world = new EnsembleWorld(MIDDLE(1));
    await streaming(world);
    await world.models.respond("many", [one("OUT", 1)]);
    await world.models.answer("many", []);
    await streaming(world);
    expect(await world.models.respond("many", [one("OUT", 2)])).toBe(false);
    await world.models.answer("after", [one("OUT", 10)]);
    expect(world.models.called.filter(({ call }) => call.model === "many").map(({ resumed }) => resumed)).toEqual([0, 1]);
  });

  test("while the client has no room", async () => {
    const world = new EnsembleWorld(LAST);
    const { state, handle } = await streaming(world);
    state.hasRoom = false;
    expect(await world.models.respond("many", [one("OUT", 1)])).toBe(false);
    state.hasRoom = true;
    handle.resume?.();
    expect(world.models.called.at(-1)?.resumed).toBe(1);
    expect(await world.models.respond("many", [one("OUT", 2)])).toBe(true);
  });

  test("when 64 answers are on their way", async () => {
    const world = new EnsembleWorld(MIDDLE());
    await streaming(world);
    for (let count = 1; count < 64; count++) expect(await world.models.respond("many", [one("OUT", count)])).toBe(true);
    expect(await world.models.respond("many", [one("OUT", 64)])).toBe(false);
  });
});

describe("what goes wrong", () => {
  test("at an answer of the step fails the request behind the answers before it, and ends the step", async () => {
    const world = new EnsembleWorld(MIDDLE());
    const { came } = await streaming(world);
    await world.models.respond("many", [one("OUT", 1)]);
    await world.models.respond("many", new ServingError("UNKNOWN", "simulated failure"));
    expect([came, world.models.called[1]?.canceled]).toEqual([[], true]);
    await world.models.answer("after", [one("OUT", 10)]);
    expect(came).toEqual(["Y=10", "UNKNOWN in ensemble 'e', simulated failure (step 1, model 'many')"]);
    expect(world.engine.load().running).toBe(0);
  });

  test("in a step behind gives the good answers, then the error once, with the step's place", async () => {
    const world = new EnsembleWorld(MIDDLE());
    const { came } = await streaming(world);
    for (const value of [1, 2]) await world.models.respond("many", [one("OUT", value)]);
    const [first, second] = world.models.called.slice(2);
    second?.sink.failed(new ServingError("UNAVAILABLE", "Exceeds maximum queue size"));
    expect([came, world.models.called[1]?.canceled]).toEqual([[], true]);
    first?.sink.answered([one("OUT", 10)], { queueUs: 0, computeInputUs: 0, computeInferUs: 0, computeOutputUs: 0 });
    expect(came).toEqual(["Y=10", "UNAVAILABLE in ensemble 'e', Exceeds maximum queue size (step 2, model 'after')"]);
  });

  test("a cancel ends the step and everything behind it", async () => {
    const world = new EnsembleWorld(MIDDLE());
    const { came, handle } = await streaming(world);
    for (const value of [1, 2]) await world.models.respond("many", [one("OUT", value)]);
    handle.cancel();
    expect(world.models.called.slice(1).map(({ canceled }) => canceled)).toEqual([true, true, true]);
    expect([came, world.engine.load().running, world.engine.statistics().failures.CANCELED]).toEqual([[], 0, 1]);
  });
});
