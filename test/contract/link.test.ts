/** The link contract on every adapter, then the faults of the memory network. */
import { describe, expect, test } from "vitest";
import { LINK_SILENCE_MS, type Link } from "../../core/link/link.ts";
import { MemoryLinks } from "../../core/link/memory.ts";
import { seededRandom } from "../../core/random.ts";
import { FakeClock, turns } from "../support/fake-clock.ts";
import { linkContract } from "./link.ts";

const never = new AbortController().signal;

async function memoryRig() {
  const clock = new FakeClock();
  const links = new MemoryLinks({ clock, random: seededRandom(1n) });
  const agents: Link[] = [];
  const { address } = await links.listen((link) => agents.push(link));
  const gateway = await links.dial(address, never);
  const frames: string[] = [];
  const ends: string[] = [];
  gateway.open(1, "tokens").listen({ frame: (payload) => frames.push(String(payload[0])), ended: (end) => ends.push(end.kind) });
  const down = agents[0]?.open(1, "tokens");
  return { clock, links, address, gateway, down, frames, ends };
}

describe("memory", () => {
  linkContract(async () => {
    const network = new MemoryLinks({ clock: new FakeClock(), random: seededRandom(1n) });
    return {
      network,
      cut: async () => {
        network.disconnect();
        await turns();
      },
      [Symbol.asyncDispose]: async () => {},
    };
  });

  test("delayed frames keep their order, also when the delay shrinks", async () => {
    const { clock, links, down, frames } = await memoryRig();
    links.delay(30);
    down?.write(Uint8Array.of(1));
    await turns();
    links.delay(0);
    down?.write(Uint8Array.of(2));
    await clock.pass(29);
    expect(frames).toEqual([]);
    await clock.pass(1);
    expect(frames).toEqual(["1", "2"]);
  });

  test("a partition that heals in time has only delayed", async () => {
    const { clock, links, address, down, frames, ends } = await memoryRig();
    links.partition(address);
    down?.write(Uint8Array.of(1));
    await clock.pass(LINK_SILENCE_MS - 1);
    expect(frames).toEqual([]);
    links.heal(address);
    await clock.pass(LINK_SILENCE_MS);
    expect(frames).toEqual(["1"]);
    expect(ends).toEqual([]);
  });

  test("a partition that lasts kills the link by its silence", async () => {
    const { clock, links, address, down, frames, ends, gateway } = await memoryRig();
    links.partition(address);
    down?.write(Uint8Array.of(1));
    await clock.pass(LINK_SILENCE_MS);
    await turns();
    expect(ends).toEqual(["lost"]);
    expect(await gateway.closed).toContain("silent");
    links.heal(address);
    await clock.pass(100);
    expect(frames).toEqual([]);
  });

  test("a dial into a partition waits until it heals", async () => {
    const { links, address } = await memoryRig();
    links.partition(address);
    let dialed = false;
    const dialing = links.dial(address, never).then(() => {
      dialed = true;
    });
    await turns();
    expect(dialed).toBe(false);
    links.heal(address);
    await dialing;
  });
});
