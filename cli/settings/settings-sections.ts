/** Which settings of the servers belong together, for --help and for docs/settings.md. Pure. */
import type { SettingsTable } from "../../core/settings.ts";
import type { AGENT_SETTINGS, GATEWAY_SETTINGS, UP_SETTINGS } from "./settings-tables.ts";

type ServerSetting = keyof typeof UP_SETTINGS | keyof typeof GATEWAY_SETTINGS | keyof typeof AGENT_SETTINGS;

/** In the order in which somebody looks for them. */
export const SECTIONS: Readonly<Record<string, readonly ServerSetting[]>> = {
  "The language model": [
    "model",
    "stages",
    "nodes",
    "replicasMin",
    "replicasMax",
    "quantization",
    "slots",
    "contextLength",
    "prefixCacheTokens",
    "threads",
  ],
  "Model repositories": [
    "models",
    "modelConfigName",
    "modelControlMode",
    "repositoryPollSecs",
    "loadModel",
    "rememberModels",
    "strictReadiness",
    "exitOnError",
    "disableAutoCompleteConfig",
    "fetchedBytes",
    "backendConfig",
    "python",
    "cache",
  ],
  "Batches and caches": [
    "rateLimit",
    "rateLimitResource",
    "delayScheduler",
    "backlogDelayScheduler",
    "responseCacheBytes",
    "responseCacheAgeMs",
  ],
  Addresses: ["node", "host", "advertiseHost", "port", "grpcPort", "metricsPort", "id", "allowHttp", "allowGrpc", "allowMetrics"],
  "Who may come in": [
    "insecure",
    "httpTlsCert",
    "httpTlsKey",
    "grpcUseSsl",
    "grpcUseSslMutual",
    "grpcServerCert",
    "grpcServerKey",
    "grpcRootCert",
    "apiKeysFile",
    "apiKeys",
    "httpRestrictedApi",
    "grpcRestrictedProtocol",
    "corsOrigins",
    "allowClientShm",
  ],
  "How much they may ask": [
    "keyRequestsPerMinute",
    "keyTokensPerMinute",
    "keyTokensPerDay",
    "keyConcurrentRequests",
    "httpMaxInputSize",
    "grpcMaxMessageSize",
  ],
  "Requests and connections": [
    "httpHeaderForwardPattern",
    "grpcHeaderForwardPattern",
    "grpcInferResponseCompressionLevel",
    "grpcKeepaliveTime",
    "grpcKeepaliveTimeout",
    "grpcHttp2MinRecvPingIntervalWithoutData",
    "grpcHttp2MaxPingStrikes",
    "grpcMaxConnectionAge",
    "grpcMaxConnectionAgeGrace",
  ],
  "The cluster": [
    "natsUrl",
    "natsCredentials",
    "natsTlsCa",
    "natsTlsCert",
    "natsTlsKey",
    "linkTlsCa",
    "linkTlsCert",
    "linkTlsKey",
    "gatewayNames",
    "redisUrl",
    "placement",
    "rebalance",
    "labels",
    "drainMs",
    "stopDelayMs",
  ],
  "When something dies": [
    "migrationLimit",
    "absenceWaitMs",
    "standbyRunners",
    "resumableGenerations",
    "resumableBytes",
    "journal",
    "journalKeyFile",
  ],
  "Logs, metrics, traces": [
    "logLevel",
    "accessLog",
    "auditLog",
    "allowCpuMetrics",
    "metricsIntervalMs",
    "metricsConfig",
    "traceConfig",
    "otlpEndpoint",
  ],
};

/** A server's table, section by section. */
export function sectionsOf(table: SettingsTable): readonly { readonly title: string; readonly table: SettingsTable }[] {
  return Object.entries(SECTIONS).flatMap(([title, names]) => {
    const rows = names.flatMap((name) => (table[name] === undefined ? [] : [[name, table[name]] as const]));
    return rows.length === 0 ? [] : [{ title, table: Object.fromEntries(rows) }];
  });
}
