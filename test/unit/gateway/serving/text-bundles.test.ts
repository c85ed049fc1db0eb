/** Text bundles: fetched whole, kept by digest, bounded by bytes. */
import { expect, test } from "vitest";
import { MemoryBroker } from "../../../../core/bus/memory.ts";
import { MemoryLinks } from "../../../../core/link/memory.ts";
import { seededRandom } from "../../../../core/random.ts";
import { createMetrics } from "../../../../core/telemetry/metrics.ts";
import { LinkPool } from "../../../../gateway/serving/link-pool.ts";
import { Submitter } from "../../../../gateway/serving/submit.ts";
import { TextBundles } from "../../../../gateway/serving/text-bundles.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";
import { byteLevelBundle } from "../../../support/text-bundles.ts";
import { HashAgent } from "./hash-agent.ts";

const never = new AbortController().signal;

async function rig(options: { readonly templateLengths: readonly number[]; readonly bytesMax: number }) {
  const clock = new FakeClock();
  const broker = new MemoryBroker({ clock });
  const links = new MemoryLinks({ clock, random: seededRandom(3n) });
  const metrics = createMetrics();
  const agents = await Promise.all(
    options.templateLengths.map((length, index) => {
      const bundle = byteLevelBundle([], { chatTemplate: "x".repeat(length) });
      return HashAgent.start({ node: `n${index}`, bus: broker.connect(), links, bundle });
    }),
  );
  const pool = new LinkPool({ links, clock });
  const submitter = new Submitter({ bus: broker.connect(), pool, clock, metrics });
  const bundles = new TextBundles({ submitter, clock, bytesMax: options.bytesMax, open: (bytes) => bytes.byteLength });
  const get = (index: number, signal = never) => {
    const agent = agents[index];
    if (agent === undefined) throw new Error(`no agent ${index}`);
    return bundles.get(agent.digest, { node: agent.node, link: agent.address }, signal);
  };
  return { clock, links, agents, get, sent: () => agents.map(({ bundlesSent }) => bundlesSent), [Symbol.dispose]: metrics[Symbol.dispose] };
}

test("a bundle of many frames arrives whole, larger than a stream's credit too", async () => {
  using one = await rig({ templateLengths: [6_000_000], bytesMax: 1e9 });
  expect(await one.get(0)).toBeGreaterThan(6_000_000);
});

test("the least recently used bundle goes when the bytes are too many, the newest stays whatever its size", async () => {
  using one = await rig({ templateLengths: [100_000, 100_000, 400_000].map((length, index) => length + index), bytesMax: 250_000 });
  await one.get(0);
  await one.get(1);
  await one.get(0);
  await one.get(1);
  await one.get(0);
  expect(one.sent()).toEqual([1, 1, 0]);
  await one.get(2);
  await one.get(2);
  await one.get(0);
  await one.get(1);
  expect(one.sent()).toEqual([2, 2, 1]);
});

test("who leaves does not end the fetch for the others", async () => {
  using one = await rig({ templateLengths: [10], bytesMax: 1e9 });
  const leaving = new AbortController();
  const left = one.get(0, leaving.signal);
  const stays = one.get(0);
  const gone = new Error("gone");
  leaving.abort(gone);
  await expect(left).rejects.toBe(gone);
  expect(await stays).toBeGreaterThan(0);
  expect(one.sent()).toEqual([1]);
});

test("a fetch that stalls ends after 30 s, and the next one tries again", async () => {
  using one = await rig({ templateLengths: [6_000_000], bytesMax: 1e9 });
  await one.links.dial(one.agents[0]?.address ?? "", never);
  one.links.delay(40_000);
  const stalled = one.get(0).catch((thrown: unknown) => thrown);
  await one.clock.pass(30_000);
  expect(await stalled).toMatchObject({ code: expect.stringMatching(/^(UNAVAILABLE|DEADLINE_EXCEEDED)$/) });
  one.links.delay(0);
  one.links.disconnect();
  await turns();
  expect(await one.get(0)).toBeGreaterThan(0);
});
