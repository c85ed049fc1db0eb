/** Where a sequence's steps go. */
import { expect, test } from "vitest";
import { SequenceRoutes } from "../../../../gateway/routing/sequence-routes.ts";

const NODES = ["n1", "n2", "n3"].map((owner) => ({ owner }));
const at = (nowMs: number) => ({ idleMs: 1_000, nowMs });
const later = (nowMs = 0) => ({ start: false, nowMs });

test("gateways that know nothing of a sequence agree on its node, whatever the order of candidates", () => {
  const [one, other] = [new SequenceRoutes(), new SequenceRoutes()];
  const counts = new Map<string, number>();
  for (let id = 0; id < 3_000; id++) {
    const owner = one.route(`m/1/t/i${id}`, NODES, { start: true, nowMs: 0 })?.to.owner ?? "";
    expect(other.route(`m/1/t/i${id}`, NODES.toReversed(), later())?.to.owner).toBe(owner);
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});

test("a candidate more moves only the sequences that it gets", () => {
  const routes = new SequenceRoutes();
  const owners = (nodes: typeof NODES) => Array.from({ length: 300 }, (_, id) => routes.route(`i${id}`, nodes, later())?.to.owner);
  const [three, four] = [owners(NODES), owners([...NODES, { owner: "n4" }])];
  for (const [id, owner] of four.entries()) if (owner !== "n4") expect(owner).toBe(three[id]);
});

test("a sequence stays with the owner that answered, and counts its answers from the start", () => {
  const routes = new SequenceRoutes();
  routes.answered("k", { owner: "n2", start: "t" }, at(0));
  routes.answered("k", { owner: "n2", start: undefined }, at(10));
  expect(routes.route("k", NODES, later(20))).toEqual({ to: { owner: "n2" }, from: "", start: "t", answered: 2 });
  routes.answered("k", { owner: "n3", start: "u" }, at(30));
  expect(routes.route("k", NODES, later(40))).toEqual({ to: { owner: "n3" }, from: "", start: "u", answered: 1 });
});

test("from an owner that is gone another one is to take over, but a start needs nobody's leave", () => {
  const routes = new SequenceRoutes();
  routes.answered("k", { owner: "gone", start: "t" }, at(0));
  expect(routes.route("k", NODES, later(1))).toMatchObject({ from: "gone", start: "t", answered: 1 });
  expect(routes.route("k", NODES, { start: true, nowMs: 1 })).toMatchObject({ from: "" });
});

test("a node's word on the owner is taken, and what was answered stays known", () => {
  const routes = new SequenceRoutes();
  routes.answered("k", { owner: "n1", start: "t" }, at(0));
  routes.moved("k", "n3", at(1));
  expect(routes.route("k", NODES, later(2))).toEqual({ to: { owner: "n3" }, from: "", start: "t", answered: 1 });
  routes.moved("unknown", "n2", at(1));
  expect(routes.route("unknown", NODES, later(2))).toEqual({ to: { owner: "n2" }, from: "", start: "", answered: 0 });
});

test("nobody ready is no route", () => {
  expect(new SequenceRoutes().route("k", [], later())).toBeUndefined();
});

test("sequences are forgotten when they end, and when nobody has used them for long", () => {
  const routes = new SequenceRoutes();
  routes.answered("a", { owner: "n1", start: "t" }, at(0));
  routes.answered("b", { owner: "n1", start: "t" }, at(0));
  routes.forget("a");
  expect(routes.count).toBe(1);
  expect(routes.route("b", [{ owner: "n2" }], later(61_001))).toMatchObject({ from: "" });
  routes.answered("c", { owner: "n1", start: "t" }, at(61_001));
  expect(routes.count).toBe(1);
});

test("however many sequences there are, only so many are known", () => {
  const routes = new SequenceRoutes();
  for (let id = 0; id < 100_100; id++) routes.answered(`${id}`, { owner: "n1", start: "t" }, at(0));
  expect(routes.count).toBe(100_000);
  expect(routes.route("0", [{ owner: "n2" }], later())).toMatchObject({ from: "" });
});

test("what follows a canceled step is known to make no sense until the next start", () => {
  const routes = new SequenceRoutes();
  routes.answered("k", { owner: "n1", start: "t" }, at(0));
  routes.cancel("k", 1);
  expect(routes.isCanceled("k")).toBe(true);
  routes.forget("k");
  expect(routes.isCanceled("k")).toBe(false);
});
