/** What connects a gateway or an agent with the rest of its cluster: NATS and links over TCP, as the settings say. */
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { NatsBus } from "../core/bus/nats.ts";
import type { PeerNames } from "../core/certificate-names.ts";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { LinkNetwork } from "../core/link/link.ts";
import { tcpLinks } from "../core/link/tcp.ts";
import { type WatchedTls, watchMutualTls } from "../core/mutual-tls.ts";
import { systemRandom } from "../core/random.ts";
import type { SettingsOf } from "../core/settings.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { CLUSTER_SETTINGS } from "./settings/cluster-settings.ts";

type ClusterSettings = SettingsOf<typeof CLUSTER_SETTINGS>;

export interface ClusterNetwork {
  /** It connects when NATS is there. */
  readonly bus: NatsBus;
  readonly links: LinkNetwork;
  /** Of links, and of stages on other machines; undefined: they talk in clear. */
  readonly tls: WatchedTls | undefined;
}

export interface NetworkOptions {
  /** Shown by NATS's monitoring. */
  readonly name: string;
  readonly logger: Logger;
  /** Where links listen, if they do. */
  readonly listen?: {
    readonly host: string;
    readonly port: number;
    readonly advertiseHost: string;
    readonly dialers?: PeerNames | undefined;
  };
}

/** @param stack ends what is returned @throws ServingError when a file cannot be read or a URL is none. */
export async function clusterNetwork(
  settings: ClusterSettings,
  { name, logger, listen }: NetworkOptions,
  stack: AsyncDisposableStack,
): Promise<ClusterNetwork> {
  const { natsUrl, natsCredentials, natsTlsCa, natsTlsCert, natsTlsKey } = settings;
  const hasTls = [natsTlsCa, natsTlsCert, natsTlsKey].some((file) => file !== undefined);
  const tls = stack.use(await linkTls(settings, logger));
  const credentials =
    natsCredentials === undefined ? undefined : new Uint8Array(await readSettingFile("--nats-credentials", natsCredentials));
  const bus = stack.use(
    new NatsBus({
      urls: natsUrl,
      name,
      clock: systemClock,
      random: systemRandom,
      logger,
      ...(credentials === undefined ? {} : { credentials }),
      ...(hasTls ? { tls: present({ caFile: natsTlsCa, certFile: natsTlsCert, keyFile: natsTlsKey }) } : {}),
    }),
  );
  return { bus, links: tcpLinks({ clock: systemClock, random: systemRandom, ...listen, tls }), tls };
}

/** How others reach a program that listens on `host`: there, or on this machine's first address where `host` stands for all. */
export function reachableHost(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const own = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.filter(({ internal }) => !internal));
  return (own.find(({ family }) => family === "IPv4") ?? own[0])?.address ?? "127.0.0.1";
}

async function linkTls({ linkTlsCa, linkTlsCert, linkTlsKey }: ClusterSettings, logger: Logger): Promise<WatchedTls | undefined> {
  if (linkTlsCa === undefined && linkTlsCert === undefined && linkTlsKey === undefined) return undefined;
  if (linkTlsCa === undefined || linkTlsCert === undefined || linkTlsKey === undefined)
    throw new ServingError("INVALID_ARGUMENT", "--link-tls-ca, --link-tls-cert and --link-tls-key go together: give all or none");
  const files = { ca: linkTlsCa, cert: linkTlsCert, key: linkTlsKey };
  return await watchMutualTls(files, { clock: systemClock, warn: ({ message }) => logger.warn({}, message) });
}

async function readSettingFile(flag: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new ServingError("INVALID_ARGUMENT", `${flag}: ${file} cannot be read: ${cause instanceof Error ? cause.message : ""}`, {
      cause,
    });
  }
}

function present(files: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).flatMap(([name, file]) => (file === undefined ? [] : [[name, file]])));
}
