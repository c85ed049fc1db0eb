/**
 * A proxy before everything that one node listens on. The node listens on a loopback address of its own and tells others another one:
 * there a port is opened for each that the node opens, whatever it is for. Linux: all of 127.0.0.0/8 is this machine.
 */
import { readFileSync } from "node:fs";
import { systemClock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { startTcpProxy, type TcpProxy, type Weather } from "../support/tcp-proxy.ts";

/** How often we look for ports that were opened or closed. */
const LOOK_MS = 40;
const LISTENING = "0A";
const LINK_PORT = 4900;

export type Weathers = { readonly there?: Weather; readonly back?: Weather };
/** `link`: gateways' connections to the agent. `stages`: what other stages, and leads, send to this node's. */
export type Plane = "link" | "stages";

export class NodeProxy implements AsyncDisposable {
  /** Of `nereid agent`. */
  readonly flags: readonly string[];
  readonly #ownHost: string;
  readonly #toldHost: string;
  readonly #random: Random;
  readonly #proxies = new Map<number, Promise<TcpProxy | undefined>>();
  readonly #weather: Record<Plane, Weathers> = { link: {}, stages: {} };
  #takeBack: () => void = () => {};

  /** @param index of the node, below 100 */
  constructor(index: number, random: Random) {
    // Of this process alone, so that two runs on one machine do not meet.
    const net = `127.${64 + (process.pid % 128)}.${Math.floor(process.pid / 128) % 250}`;
    this.#ownHost = `${net}.${index + 1}`;
    this.#toldHost = `${net}.${index + 101}`;
    this.#random = random;
    this.flags = ["--host", this.#ownHost, "--advertise-host", this.#toldHost, "--port", String(LINK_PORT)];
    this.#look();
  }

  async set(plane: Plane, weather: Weathers): Promise<void> {
    this.#weather[plane] = weather;
    for (const proxy of await this.#of(plane)) proxy.set(weather);
  }

  /** Resets the connections that there are; new ones come through. */
  async cut(plane: Plane): Promise<void> {
    for (const proxy of await this.#of(plane)) proxy.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#takeBack();
    for (const proxy of await Promise.all(this.#proxies.values())) await proxy?.[Symbol.asyncDispose]();
  }

  async #of(plane: Plane): Promise<readonly TcpProxy[]> {
    const chosen = [...this.#proxies].filter(([port]) => planeOf(port) === plane).map(([, proxy]) => proxy);
    return (await Promise.all(chosen)).filter((proxy) => proxy !== undefined);
  }

  #look(): void {
    const open = new Set(listeningPorts(this.#ownHost));
    for (const port of open) {
      if (!this.#proxies.has(port)) this.#proxies.set(port, this.#open(port));
    }
    for (const [port, proxy] of this.#proxies) {
      if (open.has(port)) continue;
      this.#proxies.delete(port);
      void proxy.then((closed) => closed?.[Symbol.asyncDispose]());
    }
    this.#takeBack = systemClock.after(LOOK_MS, () => this.#look());
  }

  /** undefined when somebody has the port. */
  async #open(port: number): Promise<TcpProxy | undefined> {
    const proxy = await startTcpProxy({ host: this.#ownHost, port }, { host: this.#toldHost, port, random: this.#random }).catch(
      () => undefined,
    );
    proxy?.set(this.#weather[planeOf(port)]);
    return proxy;
  }
}

const planeOf = (port: number): Plane => (port === LINK_PORT ? "link" : "stages");

/** TCP ports on which somebody listens at exactly this address. */
function listeningPorts(host: string): readonly number[] {
  const address = host
    .split(".")
    .toReversed()
    .map((part) => Number(part).toString(16).padStart(2, "0").toUpperCase())
    .join("");
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTENING && local?.startsWith(`${address}:`))
    .map(([, local]) => Number.parseInt(local?.slice(-4) ?? "", 16));
}
