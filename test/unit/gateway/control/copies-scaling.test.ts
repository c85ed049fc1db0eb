/** What nodes say of a model's queue becomes what the store wants of its copies, by the gateway that places and no other. */
import { expect, test } from "vitest";
import type { Heartbeat, ModelReport } from "../../../../core/messages/heartbeat.ts";
import { seededRandom } from "../../../../core/random.ts";
import { MemoryPlacementStore } from "../../../../core/store/placement/memory.ts";
import { createMetrics } from "../../../../core/telemetry/metrics.ts";
import { CopiesScaling } from "../../../../gateway/control/copies-scaling.ts";
import { Fleet } from "../../../../gateway/control/fleet.ts";
import { WantedWatch } from "../../../../gateway/control/wanted-watch.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";

const LOAD = { number: 1, fingerprint: "", versions: ["1"], source: "", config: "", copies: 1, bytes: 0 };

async function scaling(limits: { readonly copiesMin?: number; readonly copiesMax?: number }, places = true) {
  const clock = new FakeClock();
  const { logger } = new LogBook();
  const store = new MemoryPlacementStore({ clock, random: seededRandom(3n) });
  await store.wantedModels.change("m", 0, { current: { ...LOAD, ...limits }, gone: [] });
  const wanted = new WantedWatch({ store: store.wantedModels, clock, logger });
  await wanted.refresh();
  const fleet = new Fleet();
  const metrics = createMetrics();
  const hosted = fleet;
  const loop = new CopiesScaling({ wanted, hosted, places: () => places, clock, logger, metrics });
  let sequence = 0;
  /** So many seconds in which every wanted copy reports this. */
  const pass = async (seconds: number, report: Partial<ModelReport>) => {
    for (let second = 0; second < seconds; second++) {
      sequence += 1;
      const copies = wanted.entries.get("m")?.wanted.current?.copies ?? 0;
      const models = Array.from({ length: copies }, (_, copy) => reported(copy === 0 ? "m/1/1" : `m/1/1.${copy}`, report));
      fleet.hear(heartbeat(sequence, models), clock.now());
      await clock.pass(1_000);
      await turns(20);
    }
  };
  return {
    pass,
    metrics,
    copies: () => wanted.entries.get("m")?.wanted.current?.copies,
    [Symbol.dispose]: () => {
      loop[Symbol.dispose]();
      wanted[Symbol.dispose]();
      metrics[Symbol.dispose]();
    },
  };
}

const reported = (replica: string, report: Partial<ModelReport>): ModelReport => ({
  replica,
  model: "m",
  version: "1",
  state: { kind: "ready", view: "v" },
  inFlight: 1,
  queued: 0,
  ...report,
});

function heartbeat(sequence: number, models: ModelReport[]): Heartbeat {
  const memory = { memoryTotalBytes: 1, memoryFreeBytes: 1 };
  return { node: "n", incarnation: "1", sequence, link: "l", wire: "w", cpu: "c", ...memory, shards: [], replicas: [], models };
}

const LATE = { queued: 9, queuedMs: 2_000 };

test("a queue in which requests wait makes copies come, up to the most; one that is empty lets them go", async () => {
  using rig = await scaling({ copiesMin: 1, copiesMax: 3 });
  await rig.pass(5, LATE);
  expect(rig.copies()).toBe(2);
  await rig.pass(60, LATE);
  expect(rig.copies()).toBe(3);
  await rig.pass(300, { inFlight: 0 });
  expect(rig.copies()).toBe(1);
  expect(await rig.metrics.metricsText()).toMatch(/nereid_model_copies_changed_total\{model="m",direction="up"\} 2/);
});

test("a model that does not say how many copies there may be keeps those that it has", async () => {
  using rig = await scaling({});
  await rig.pass(60, LATE);
  expect(rig.copies()).toBe(1);
});

test("copies whose sequences are nowhere else stay, however little they do", async () => {
  using rig = await scaling({ copiesMin: 1, copiesMax: 2 });
  await rig.pass(5, { ...LATE, pinned: true });
  await rig.pass(300, { inFlight: 0, pinned: true });
  expect(rig.copies()).toBe(2);
});

test("a gateway that does not place changes nothing", async () => {
  using rig = await scaling({ copiesMin: 1, copiesMax: 3 }, false);
  await rig.pass(60, LATE);
  expect(rig.copies()).toBe(1);
});
