/** Settings of programs that share a cluster with others. Pure. */
import { listOf, optional, type SettingKind, secret, setting, text, wholeNumber } from "../../core/settings.ts";

const file = optional(text("a file"));

const redisUrl: SettingKind<string> = {
  allowed: "redis://HOST:PORT or rediss://HOST:PORT",
  parse: (value) => (/^rediss?:\/\/./.test(value) && URL.canParse(value) ? value : undefined),
};
/** Of whoever shares what outlives it; of each program for its own reason. */
export const redisAddress = optional(secret(redisUrl));

export const CLUSTER_SETTINGS = {
  natsUrl: setting<readonly string[]>({
    kind: secret(listOf(text("nats://HOST:PORT or tls://HOST:PORT"))),
    fallback: ["nats://127.0.0.1:4222"],
    help: "the NATS servers; USER:PASSWORD@ or TOKEN@ may stand before the host",
  }),
  natsCredentials: setting({ kind: file, fallback: undefined, help: "a .creds file with the login to NATS" }),
  natsTlsCa: setting({ kind: file, fallback: undefined, help: "who has signed the NATS servers' certificates, PEM" }),
  natsTlsCert: setting({ kind: file, fallback: undefined, help: "certificate shown to NATS servers, PEM" }),
  natsTlsKey: setting({ kind: file, fallback: undefined, help: "its private key, PEM" }),
  linkTlsCa: setting({ kind: file, fallback: undefined, help: "who signs what gateways and agents show, PEM; read when it changes" }),
  linkTlsCert: setting({ kind: file, fallback: undefined, help: "certificate of this gateway or agent, PEM; read when it changes" }),
  linkTlsKey: setting({ kind: file, fallback: undefined, help: "its private key, PEM" }),
  drainMs: setting({
    kind: wholeNumber(0, 3_600_000),
    fallback: 30_000,
    unit: "ms",
    help: "how long running work may go on after SIGTERM or Ctrl-C",
  }),
};
