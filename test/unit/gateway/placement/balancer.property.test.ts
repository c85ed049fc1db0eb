/** A node that comes takes its part, whatever there is: one thing at a time, nothing unserved meanwhile, and then all stays where it is. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GiB, language, PackingWorld, whole } from "./packing-world.ts";

const RUNS = { seed: 29, numRuns: 100 };
const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
const nodeOf = (place: string) => place.slice(place.indexOf("@") + 1);
const ROUNDS = 120;

/** With as much room as anybody could want. */
const roomy = (nodes: number) =>
  new PackingWorld(
    Array.from({ length: nodes }, () => 200 * GiB),
    { balanced: true },
  );
const counts = (world: PackingWorld) => world.nodes.map((node) => world.where().filter((place) => nodeOf(place) === node).length);
const spread = (world: PackingWorld) => Math.max(...counts(world)) - Math.min(...counts(world));

describe("a node that comes", () => {
  test("takes models until all have about as many, and at no moment is anything served by nobody", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 2 }),
        (nodes, count, joining) => {
          const world = roomy(nodes);
          world.models = names.slice(0, count).map((name) => whole(name, GiB));
          world.settle();
          for (let joined = 0; joined < joining; joined++) world.join(200 * GiB);
          const before = world.where();
          for (let round = 0; round < ROUNDS; round++) {
            world.round();
            expect(world.serving().size).toBe(count);
            expect(world.where().length).toBeLessThanOrEqual(count + 1); // one thing at a time
          }
          expect(spread(world)).toBeLessThanOrEqual(1);
          expect(world.settle()).toBe(0);
          const moved = world.where().filter((place) => !before.includes(place)).length;
          expect(moved).toBeLessThanOrEqual(joining * Math.ceil(count / (nodes + joining)));
        },
      ),
      RUNS,
    );
  });

  test("takes stages that share a node, and the replica is whole at every moment", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 2, max: 5 }), (nodes, stages) => {
        const world = roomy(nodes);
        world.replicas = [language("lang", { stages, bytes: GiB })];
        world.settle();
        for (let joined = nodes; joined < stages; joined++) world.join(200 * GiB);
        for (let round = 0; round < ROUNDS; round++) {
          world.round();
          expect(new Set(world.where().map((place) => place.slice(0, place.indexOf("@")))).size).toBe(stages);
        }
        expect(new Set(world.where().map(nodeOf)).size).toBe(stages);
        expect(world.fleet.replicas()).toMatchObject([{ ready: true }]);
        expect(world.settle()).toBe(0);
      }),
      RUNS,
    );
  });

  test("takes one of two copies that share a node, and no second copy of what it has", () => {
    const world = roomy(1);
    world.models = [whole("twin", GiB), whole("twin", GiB, 1), whole("twin", GiB, 2)];
    world.replicas = [language("lang", { stages: 1, bytes: GiB }), language("lang", { stages: 1, bytes: GiB, copy: 1 })];
    world.settle();
    world.join(200 * GiB);
    world.settle(ROUNDS);
    expect(world.where()).toEqual(["lang.0@n1", "lang.0@n2", "twin@n1", "twin@n1", "twin@n2"]);
  });

  test("gets what fits, and no more", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 6 }), (count, size) => {
        const world = roomy(1);
        world.models = names.slice(0, count).map((name) => whole(name, GiB));
        world.settle();
        const joined = world.join(size * GiB);
        world.settle(ROUNDS);
        expect(world.free(joined)).toBeGreaterThanOrEqual(0);
        expect(world.settle()).toBe(0);
      }),
      RUNS,
    );
  });

  test("leaves an ensemble with the models that it calls, and sequences that no store has where they are", () => {
    const world = roomy(1);
    const [one, two, kept] = [whole("one", GiB), whole("two", GiB), whole("kept", GiB)];
    world.models = [{ ...whole("sum", 0), members: [one, two] }, one, two, kept];
    world.pinned.add(kept.replica);
    world.settle();
    world.join(200 * GiB);
    world.settle(ROUNDS);
    expect(world.where()).toEqual(["kept@n1", "one@n1", "sum@n1", "two@n1"]);
    world.models = [...world.models, whole("free", GiB)];
    world.settle(ROUNDS);
    expect(world.where()).toContain("free@n2");
  });
});

describe("a move", () => {
  test("that its node cannot carry out is given up, and not tried again soon", () => {
    const world = roomy(1);
    world.models = ["a", "b", "c"].map((name) => whole(name, GiB));
    world.settle();
    const before = world.where();
    world.broken.add(world.join(200 * GiB));
    world.settle(ROUNDS);
    expect(world.where()).toEqual(before);
    expect(world.settle()).toBe(0);
  });

  test("whose node goes away meanwhile leaves everything where it was", () => {
    const world = roomy(2);
    world.models = ["a", "b", "c", "d"].map((name) => whole(name, GiB));
    world.settle();
    const before = world.where();
    const joined = world.join(200 * GiB);
    while (!world.where().some((place) => nodeOf(place) === joined)) world.round();
    world.lose(joined);
    world.settle(ROUNDS);
    expect(world.where()).toEqual(before);
  });

  test("ends when its node is to be left after all", () => {
    const world = roomy(2);
    world.models = ["a", "b", "c", "d"].map((name) => whole(name, GiB));
    world.settle();
    const joined = world.join(200 * GiB);
    while (!world.where().some((place) => nodeOf(place) === joined)) world.round();
    world.draining.add(joined);
    world.settle(ROUNDS);
    expect(counts(world)).toEqual([2, 2, 0]);
  });
});
