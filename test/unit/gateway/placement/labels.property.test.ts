/** Models that ask for labels of nodes: they are where the labels are, or nowhere, and then it is said why. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type NodeId, nodeId } from "../../../../core/ids.ts";
import { hasLabels, type NodeLabels } from "../../../../core/node-labels.ts";
import { missingLabels, unplacedModels } from "../../../../gateway/placement/missing-labels.ts";
import { GiB, language, PackingWorld, whole } from "./packing-world.ts";

const RUNS = { seed: 29, numRuns: 200 };
const NAMES = ["a", "b", "c", "d"];
const zone = fc.option(fc.constantFrom<NodeLabels>({ zone: "a" }, { zone: "b" }, { zone: "a", disk: "ssd" }), { nil: undefined });
const zones = (length: number) => fc.array(zone, { minLength: length, maxLength: length });

interface Case {
  readonly there: readonly (NodeLabels | undefined)[];
  readonly asked: readonly (NodeLabels | undefined)[];
}

/** The fifth that asks is a language model of any number of stages. */
function worldOf({ there, asked }: Case): PackingWorld {
  const world = new PackingWorld(
    there.map(() => 8 * GiB),
    { balanced: true },
  );
  there.forEach((labels, index) => void relabel(world, world.nodes[index], labels));
  const wants = (labels: NodeLabels | undefined) => (labels === undefined ? {} : { labels });
  world.models = NAMES.map((name, index) => ({ ...whole(name, GiB), ...wants(asked[index]) }));
  world.replicas = [{ ...language("lang", { stages: "auto", bytes: 9 * GiB }), ...wants(asked[NAMES.length]) }];
  return world;
}

function relabel(world: PackingWorld, node: NodeId | undefined, labels: NodeLabels | undefined): void {
  if (node !== undefined && labels !== undefined) world.labels.set(node, labels);
  else if (node !== undefined) world.labels.delete(node);
}

const askedBy = ({ models, replicas }: PackingWorld) => new Map([...models, ...replicas].map(({ model, labels }) => [`${model}`, labels]));

/** Models that are where they may not be. */
function misplaced(world: PackingWorld): readonly string[] {
  const asked = askedBy(world);
  return world.where().filter((place) => {
    const [name = "", node = ""] = place.split(/(?:\.\d+)?@/);
    return !hasLabels(world.labels.get(nodeId(node)), asked.get(name));
  });
}

test("whatever nodes there are and whatever is asked for, nothing is told to a node that has not the labels", () => {
  fc.assert(
    fc.property(zones(3), zones(5), zone, (there, asked, joined) => {
      const world = worldOf({ there, asked });
      for (let round = 0; round < 24; round++) {
        if (round === 12) relabel(world, world.join(8 * GiB), joined);
        world.round();
        expect(misplaced(world)).toEqual([]);
      }
    }),
    RUNS,
  );
});

test("what may be somewhere is there, and of the rest it is said why it is nowhere", () => {
  fc.assert(
    fc.property(zones(3), zones(5), (there, asked) => {
      const world = worldOf({ there, asked });
      world.settle();
      const nodes = world.fleet.nodes();
      for (const [name, labels] of askedBy(world)) {
        const isThere = world.where().some((place) => place.startsWith(`${name}@`) || place.startsWith(`${name}.`));
        expect(missingLabels(labels, nodes) === undefined).toBe(isThere);
      }
      const nowhere = world.models.filter(({ model }) => !world.where().some((place) => place.startsWith(`${model}@`)));
      expect(unplacedModels(world.models, nodes).map(({ model }) => model)).toEqual(nowhere.map(({ model }) => `${model}`));
      expect(world.settle()).toBe(0);
    }),
    RUNS,
  );
});

test("without labels all goes where it would go on nodes without any", () => {
  fc.assert(
    fc.property(zones(3), (there) => {
      const [labeled, bare] = [worldOf({ there, asked: [] }), worldOf({ there: there.map(() => undefined), asked: [] })];
      for (const world of [labeled, bare]) world.settle(24);
      expect(labeled.where()).toEqual(bare.where());
    }),
    RUNS,
  );
});

test("a node that has other labels now hands over what it may not have any more, and keeps it while there is no other", () => {
  const world = new PackingWorld([8 * GiB, 8 * GiB]);
  const [first, second] = world.nodes;
  relabel(world, first, { zone: "a" });
  world.models = [{ ...whole("a", GiB), labels: { zone: "a" } }];
  world.replicas = [{ ...language("lang", { stages: 1, bytes: GiB }), labels: { zone: "a" } }];
  world.settle();
  relabel(world, first, { zone: "b" });
  expect(world.settle()).toBe(0);
  expect(world.where()).toEqual(["a@n1", "lang.0@n1"]);
  relabel(world, second, { zone: "a" });
  for (let round = 0; round < 12; round++) {
    world.round();
    expect(world.serving().size).toBe(1);
    expect(world.where().some((place) => place.startsWith("lang."))).toBe(true);
  }
  expect(world.where()).toEqual(["a@n2", "lang.0@n2"]);
  expect(world.fleet.replicas()).toMatchObject([{ ready: true }]);
});

test("how many stages a model has is decided when nodes come that may have them", () => {
  const world = new PackingWorld([8 * GiB, 8 * GiB, 8 * GiB]);
  world.replicas = [{ ...language("lang", { stages: "auto", bytes: 9 * GiB }), labels: { zone: "a" } }];
  expect(world.settle()).toBe(0);
  for (const node of world.nodes.slice(1)) relabel(world, node, { zone: "a" });
  world.settle();
  expect(world.where()).toEqual(["lang.0@n2", "lang.1@n3"]);
});

test("why a model is nowhere names the labels and the remedy", () => {
  const world = new PackingWorld([GiB, GiB]);
  world.settle(1);
  const labels = { zone: "a", disk: "ssd" };
  const remedy = "the labels zone=a,disk=ssd: start an agent with --labels zone=a,disk=ssd";
  expect(missingLabels(labels, world.fleet.nodes())).toBe(`no node has ${remedy}`);
  relabel(world, world.nodes[0], labels);
  world.settle(1);
  expect(missingLabels(labels, world.fleet.nodes())).toBeUndefined();
  world.fleet.leave(new Set(["n1"]));
  expect(missingLabels(labels, world.fleet.nodes())).toBe(`only nodes that are being left have ${remedy}`);
});
