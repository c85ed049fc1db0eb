/** The link contract on every adapter, then what is special to each. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { sleep, systemClock } from "../../core/clock.ts";
import { LINK_SILENCE_MS, LINK_SUSPECT_MS, type Link, type LinkNetwork } from "../../core/link/link.ts";
import { MemoryLinks } from "../../core/link/memory.ts";
import { tcpLinks } from "../../core/link/tcp.ts";
import { seededRandom, systemRandom } from "../../core/random.ts";
import { parseAddress } from "../../core/wire/address.ts";
import { FakeClock, turns } from "../support/fake-clock.ts";
import { Inbox } from "../support/inbox.ts";
import { type SelfSigned, selfSigned } from "../support/self-signed.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
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

  test("a partition makes the link suspect long before it kills it, once, and not when it heals in time", async () => {
    const { clock, links, address, gateway } = await memoryRig();
    const suspicions: number[] = [];
    const relief: number[] = [];
    gateway.open(9, "tokens").listen({
      frame: () => {},
      ended: () => {},
      suspected: () => suspicions.push(clock.now()),
      trusted: () => relief.push(clock.now()),
    });
    links.partition(address);
    await clock.pass(LINK_SUSPECT_MS - 1);
    links.heal(address);
    await clock.pass(LINK_SILENCE_MS);
    expect(suspicions).toEqual([]);
    links.partition(address);
    await clock.pass(LINK_SUSPECT_MS);
    expect(suspicions).toEqual([clock.now()]);
    links.heal(address);
    expect(relief).toEqual([clock.now()]);
    links.partition(address);
    await clock.pass(LINK_SILENCE_MS);
    expect([suspicions.length, relief.length]).toEqual([2, 1]);
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

describe("tcp", () => {
  const options = { clock: systemClock, random: systemRandom };

  /** A real network with a proxy before every listener. */
  async function proxied() {
    const proxies: TcpProxy[] = [];
    const direct = tcpLinks(options);
    const network: LinkNetwork = {
      dial: direct.dial,
      async listen(onLink) {
        const listener = await direct.listen(onLink);
        const to = parseAddress(listener.address);
        if (to.kind !== "tcp") throw new Error("not over TCP");
        const proxy = await startTcpProxy(to);
        proxies.push(proxy);
        return {
          address: `tcp:127.0.0.1:${proxy.port}`,
          [Symbol.asyncDispose]: async () => {
            await listener[Symbol.asyncDispose]();
            await proxy[Symbol.asyncDispose]();
          },
        };
      },
    };
    return { network, proxies };
  }

  linkContract(async () => {
    const { network, proxies } = await proxied();
    return { network, cut: async () => proxies.forEach((proxy) => void proxy.cut()), [Symbol.asyncDispose]: async () => {} };
  });

  async function silentRig() {
    const { network, proxies } = await proxied();
    const agents = new Inbox<Link>();
    const listener = await network.listen(agents.put);
    const gateway = await network.dial(listener.address, never);
    const [agent] = await agents.until(1);
    const [proxy] = proxies;
    if (agent === undefined || proxy === undefined) throw new Error("nobody dialed");
    return { gateway, agent, proxy, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
  }

  test("a half-open connection is noticed by its silence at both ends", async () => {
    await using rig = await silentRig();
    const heard: string[] = [];
    rig.gateway.open(1, "tokens").listen({
      frame: () => {},
      ended: ({ kind }) => heard.push(kind),
      suspected: () => heard.push("suspected"),
    });
    rig.proxy.silence();
    expect(await rig.gateway.closed).toBe(`silent for ${LINK_SILENCE_MS} ms`);
    expect(await rig.agent.closed).toBe(`silent for ${LINK_SILENCE_MS} ms`);
    expect(heard).toEqual(["suspected", "lost"]);
  });

  test("a link that is suspect is trusted again as soon as something comes, at both ends", async () => {
    await using rig = await silentRig();
    const heard = new Inbox<string>();
    for (const [end, link] of [
      ["gateway", rig.gateway],
      ["agent", rig.agent],
    ] as const) {
      link.open(1, "tokens").listen({
        frame: () => {},
        ended: ({ kind }) => heard.put(`${end} ${kind}`),
        suspected: () => heard.put(`${end} suspected`),
        trusted: () => heard.put(`${end} trusted`),
      });
    }
    rig.proxy.silence();
    await heard.until(2);
    rig.proxy.speak();
    const words = await heard.until(4);
    expect(words.toSorted()).toEqual(["agent suspected", "agent trusted", "gateway suspected", "gateway trusted"]);
  });

  test("an idle link stays open for longer than the silence that kills", async () => {
    await using rig = await silentRig();
    const idle = sleep(systemClock, LINK_SILENCE_MS * 1.5, never).then(() => "open");
    expect(await Promise.race([rig.gateway.closed, rig.agent.closed, idle])).toBe("open");
  });

  test("a silence that ends in time has only delayed", async () => {
    await using rig = await silentRig();
    const frames = new Inbox<number>();
    rig.agent.open(1, "tokens").listen({ frame: (payload) => frames.put(payload[0] ?? 0), ended: () => {} });
    rig.proxy.silence();
    rig.gateway.open(1, "tokens").write(Uint8Array.of(7));
    await sleep(systemClock, LINK_SILENCE_MS / 3, never);
    expect(frames.items).toEqual([]);
    rig.proxy.speak();
    expect(await frames.until(1)).toEqual([7]);
  });

  test("what does not speak the link's protocol is turned away, at either end", async () => {
    const stranger = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")).listen(0, "127.0.0.1");
    await once(stranger, "listening");
    const network = tcpLinks(options);
    const { port } = stranger.address() as AddressInfo; // it listens on a port
    await expect(network.dial(`tcp:127.0.0.1:${port}`, never)).rejects.toThrow("does not speak the link's protocol");
    stranger.close();
    await using listener = await network.listen(() => expect.unreachable("nobody said hello"));
    const to = parseAddress(listener.address);
    const socket = connect(to.kind === "tcp" ? to.port : 0, "127.0.0.1");
    socket.end("GET / HTTP/1.1\r\nhost: nereid.example\r\n\r\n");
    await once(socket.resume(), "close");
  });

  test("the address that others dial is the advertised one, on the port that was found", async () => {
    await using listener = await tcpLinks({ ...options, host: "0.0.0.0", advertiseHost: "localhost" }).listen(() => {});
    expect(listener.address).toMatch(/^tcp:localhost:\d+$/);
    const link = await tcpLinks(options).dial(listener.address, never);
    link.close();
  });

  test("one who hangs up before the handshake is over is a link that could not be had, and nothing worse", async () => {
    const leaver = createServer((socket) => socket.once("data", () => socket.end())).listen(0, "127.0.0.1");
    await once(leaver, "listening");
    const own = selfSigned("localhost");
    const network = tcpLinks({ ...options, tls: { certificates: { ...own, ca: own.cert }, refused: () => {} } });
    const { port } = leaver.address() as AddressInfo; // it listens on a port
    await expect(network.dial(`tcp:127.0.0.1:${port}`, never)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    leaver.close();
    await once(leaver, "close");
  });

  test("with certificates both ends must show one that the other believes", async () => {
    const pair = () => selfSigned("localhost");
    const [ours, theirs] = [pair(), pair()];
    const network = (own: SelfSigned, believed: SelfSigned) =>
      tcpLinks({ ...options, tls: { certificates: { ...own, ca: believed.cert }, refused: () => {} } });
    const links = new Inbox<Link>();
    await using listener = await network(ours, ours).listen(links.put);
    const link = await network(ours, ours).dial(listener.address, never);
    expect((await links.until(1))[0]?.session).toBe(link.session);
    link.close();
    await expect(network(ours, theirs).dial(listener.address, never)).rejects.toThrow("no link to");
    await expect(network(theirs, ours).dial(listener.address, never)).rejects.toThrow("no link to");
    await expect(tcpLinks(options).dial(listener.address, never)).rejects.toThrow("no link to");
    expect(links.items).toHaveLength(1);
  });

  test("of those whose certificates are believed, only they may dial whose names are allowed", async () => {
    const [gateway, agent] = [selfSigned("gateway-1"), selfSigned("agent-1")];
    const ca = gateway.cert + agent.cert;
    const refusals: string[] = [];
    const tlsOf = (own: SelfSigned) => ({ certificates: { ...own, ca }, refused: ({ message }: Error) => refusals.push(message) });
    const dialers = { patterns: ["gateway-*", "OU=gateways"], setting: "--gateway-names" };
    const links = new Inbox<Link>();
    await using listener = await tcpLinks({ ...options, tls: tlsOf(agent), dialers }).listen(links.put);
    const link = await tcpLinks({ ...options, tls: tlsOf(gateway) }).dial(listener.address, never);
    expect((await links.until(1))[0]?.session).toBe(link.session);
    link.close();
    await expect(tcpLinks({ ...options, tls: tlsOf(agent) }).dial(listener.address, never)).rejects.toThrow("no link to");
    expect(refusals).toEqual([
      expect.stringMatching(/its certificate is for agent-1, localhost, and --gateway-names allows gateway-\*, OU=gateways/),
    ]);
    expect(links.items).toHaveLength(1);
  });
});
