/** Where models go, whatever nodes and models there are: where they fit, apart, and nowhere else afterwards without a reason. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesNeeded } from "../../../../gateway/placement/node-rooms.ts";
import { stageCount } from "../../../../gateway/placement/stage-count.ts";
import { GiB, language, PackingWorld, whole } from "./packing-world.ts";

const RUNS = { seed: 23, numRuns: 200 };
const memory = fc.array(fc.integer({ min: 1, max: 32 }), { minLength: 1, maxLength: 5 }).map((sizes) => sizes.map((size) => size * GiB));
const sizes = fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 8 }).map((all) => all.map((size) => (size / 10) * GiB));
const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
const models = (bytes: readonly number[]) => bytes.map((size, index) => whole(names[index] ?? "x", size));
const nodeOf = (place: string) => place.slice(place.indexOf("@") + 1);

describe("packing", () => {
  test("no model goes to a node where it does not fit while it fits on another", () => {
    fc.assert(
      fc.property(memory, sizes, (nodes, bytes) => {
        const world = new PackingWorld(nodes);
        for (const model of models(bytes)) {
          const need = bytesNeeded(model.bytes);
          const fits = world.nodes.some((node) => world.free(node) >= need);
          world.models = [...world.models, model];
          world.settle(3);
          const node = world.nodes.find((one) => world.where().includes(`${model.model}@${one}`));
          expect(node).toBeDefined();
          if (fits && node !== undefined) expect(world.free(node)).toBeGreaterThanOrEqual(0);
        }
      }),
      RUNS,
    );
  });

  test("models that come at once do not all go where there was room for one", () => {
    const world = new PackingWorld([8 * GiB, 7 * GiB]);
    world.models = models([4 * GiB, 4 * GiB]);
    world.settle();
    expect(world.where()).toEqual(["a@n1", "b@n2"]);
  });

  test("what has found its place stays, whoever joins and whatever else comes and goes", () => {
    fc.assert(
      fc.property(
        memory,
        sizes,
        fc.array(fc.nat({ max: 7 }), { maxLength: 4 }),
        fc.integer({ min: 1, max: 64 }),
        (nodes, bytes, gone, joined) => {
          const world = new PackingWorld(nodes);
          world.models = models(bytes);
          world.replicas = [language("lang", { stages: "auto", bytes: GiB })];
          world.settle();
          const before = world.where();
          world.join(joined * GiB);
          expect(world.settle()).toBe(0);
          const left = world.models.filter((_, index) => !gone.includes(index));
          world.models = left;
          world.settle();
          expect(world.where()).toEqual(
            before.filter((place) => place.startsWith("lang.") || left.some(({ model }) => place.startsWith(`${model}@`))),
          );
        },
      ),
      RUNS,
    );
  });

  test("a node that joins takes what was nowhere", () => {
    const world = new PackingWorld([]);
    world.models = models([GiB]);
    expect(world.settle()).toBe(0);
    world.join(2 * GiB);
    world.settle();
    expect(world.where()).toEqual(["a@n1"]);
  });

  test("copies of a model are on as many nodes as there are, as far as they fit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), sizes, (nodes, copies, others) => {
        const world = new PackingWorld(Array.from({ length: nodes }, () => 200 * GiB));
        world.models = models(others);
        world.settle();
        world.models = [...world.models, ...Array.from({ length: copies }, (_, copy) => whole("twin", GiB, copy))];
        world.replicas = Array.from({ length: copies }, (_, copy) => language("lang", { stages: 1, bytes: GiB, copy }));
        world.settle();
        for (const name of ["twin@", "lang."]) {
          const places = world.where().filter((place) => place.startsWith(name));
          expect(places).toHaveLength(copies);
          expect(new Set(places.map(nodeOf)).size).toBe(Math.min(copies, nodes));
        }
      }),
      RUNS,
    );
  });

  test("an ensemble is with the models that it calls, as far as they fit, whoever comes first", () => {
    const [one, two, sum] = [whole("one", GiB), whole("two", GiB), whole("sum", 0)];
    const ensemble = { ...sum, members: [one, two] };
    const other = whole("other", GiB);
    for (const order of [
      [ensemble, one, two, other],
      [one, other, two, ensemble],
      [other, two, ensemble, one],
    ]) {
      const world = new PackingWorld([8 * GiB, 8 * GiB]);
      world.models = order;
      world.settle();
      const nodes = world.where().filter((place) => !place.startsWith("other@"));
      expect(new Set(nodes.map(nodeOf)).size, world.where().join(" ")).toBe(1);
    }
    const tight = new PackingWorld([2 * GiB, 2 * GiB]);
    tight.models = [one, two, ensemble];
    tight.settle();
    expect(tight.where().filter((place) => !place.startsWith("sum@"))).toEqual(["one@n1", "two@n2"]);
  });

  test("stages are on as many nodes as there are", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 }), (nodes, stages) => {
        const world = new PackingWorld(Array.from({ length: nodes }, () => 200 * GiB));
        world.replicas = [language("lang", { stages, bytes: GiB })];
        world.settle();
        expect(world.where()).toHaveLength(stages);
        expect(new Set(world.where().map(nodeOf)).size).toBe(Math.min(stages, nodes));
      }),
      RUNS,
    );
  });
});

describe("a node that is being left", () => {
  test("loses all it has to the others, and at no moment is anything served by nobody", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), sizes, fc.nat({ max: 4 }), (nodes, bytes, index) => {
        const world = new PackingWorld(Array.from({ length: nodes }, () => 200 * GiB));
        world.models = models(bytes);
        world.replicas = [language("lang", { stages: 2, bytes: GiB })];
        world.settle();
        const leaving = world.nodes[index % nodes];
        if (leaving === undefined) return;
        world.draining.add(leaving);
        for (let round = 0; round < 12; round++) {
          world.round();
          expect(world.serving().size).toBe(bytes.length);
          expect(new Set(world.where().map((place) => place.slice(0, place.indexOf("@")))).size).toBe(bytes.length + 2);
        }
        expect(world.where().map(nodeOf)).not.toContain(leaving);
        expect(world.where()).toHaveLength(bytes.length + 2);
        expect(world.fleet.replicas()).toMatchObject([{ ready: true }]);
        expect(world.settle()).toBe(0);
      }),
      RUNS,
    );
  });

  test("keeps what it has where there is no other node", () => {
    const world = new PackingWorld([8 * GiB]);
    world.models = models([GiB]);
    world.settle();
    world.draining.add(world.nodes[0] ?? world.join(0));
    expect(world.settle()).toBe(0);
    expect(world.where()).toEqual(["a@n1"]);
  });

  test("gets nothing new, and may take things again when it stays after all", () => {
    const world = new PackingWorld([8 * GiB, 9 * GiB]);
    const [first, second] = world.nodes;
    if (first === undefined || second === undefined) throw new Error("there are two nodes");
    world.draining.add(second);
    world.models = models([GiB]);
    world.settle();
    expect(world.where()).toEqual(["a@n1"]);
    world.draining.delete(second);
    world.models = models([GiB, GiB]);
    world.settle();
    expect(world.where()).toEqual(["a@n1", "b@n2"]);
  });
});

describe("the number of stages", () => {
  test("is the smallest with which each stage fits on a node of its own", () => {
    fc.assert(
      fc.property(memory, fc.integer({ min: 1, max: 100 }), (nodes, size) => {
        const free = nodes.toSorted((a, b) => b - a);
        const bytes = size * GiB;
        const stages = stageCount(bytes, free);
        const fits = (count: number) => bytesNeeded(bytes / count) <= (free[count - 1] ?? 0);
        expect(stages).toBeLessThanOrEqual(free.length);
        for (let fewer = 1; fewer < stages; fewer++) expect(fits(fewer)).toBe(false);
        expect(fits(stages) || stages === free.length).toBe(true);
      }),
      RUNS,
    );
  });

  test("is 1 for a model of unknown size, and does not change once a stage is there", () => {
    expect(stageCount(0, [GiB, GiB])).toBe(1);
    const world = new PackingWorld([4 * GiB, 4 * GiB]);
    world.replicas = [language("lang", { stages: "auto", bytes: 5 * GiB })];
    world.settle();
    expect(world.where()).toEqual(["lang.0@n1", "lang.1@n2"]);
    world.join(64 * GiB);
    expect(world.settle()).toBe(0);
  });
});
