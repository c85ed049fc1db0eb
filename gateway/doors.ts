/** Opens the doors as their options say: HTTP, gRPC and metrics, with TLS, keys and restrictions. */
import type { Clock } from "../core/clock.ts";
import type { DoorOptions } from "../core/door-options.ts";
import { ServingError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { QuotaStore } from "../core/store/quotas/quota-store.ts";
import type { LogControl } from "../core/telemetry/log-control.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { Metrics } from "../core/telemetry/metrics.ts";
import { type WatchOptions, watchFiles } from "../core/watched-files.ts";
import { type ApiKeys, parseApiKeys } from "./access/api-keys.ts";
import { checkExposure } from "./access/exposure.ts";
import { Guard } from "./access/guard.ts";
import { isLoopbackHost } from "./access/host-check.ts";
import { parseRestrictions } from "./access/restricted-apis.ts";
import { type TlsFiles, type TlsSource, watchTls } from "./access/tls.ts";
import { type ConsoleDeps, consoleRoutes } from "./console/routes.ts";
import { answeredCalls } from "./grpc/answered-calls.ts";
import type { GrpcLimits } from "./grpc/limits.ts";
import { startGrpcServer } from "./grpc/server.ts";
import { auditedRoutes, loggedRoutes } from "./http/access-log.ts";
import { BodyParsers } from "./http/body-parser.ts";
import { countedRoutes } from "./http/counted-routes.ts";
import type { Route } from "./http/route.ts";
import { startHttpServer } from "./http1/server.ts";
import { headerPattern } from "./kserve/infer/request-parameters.ts";
import { LogSettings } from "./kserve/log-settings.ts";
import { kserveRoutes } from "./kserve/routes.ts";
import { SharedMemoryRegions } from "./kserve/shared-memory.ts";
import type { TensorServing } from "./kserve/tensor-serving.ts";
import { TraceSettings } from "./kserve/trace-settings.ts";
import { kserveGrpcMethods } from "./kserve-grpc/methods.ts";
import { startMetricsServer } from "./metrics/metrics-server.ts";
import { openaiRoutes } from "./openai/routes.ts";
import { Budgets } from "./quotas/budgets.ts";
import { meteredGeneration, meteredInference } from "./quotas/metered.ts";
import type { ModelDirectory, TextGeneration } from "./serving/generation/text-generation.ts";
import type { RequestTracing } from "./tracing/request-tracing.ts";
import { failedTrace, tracedRoutes } from "./tracing/traced-routes.ts";

/** Where the doors listen; ports of 0 are any free ones. */
export interface DoorAddresses {
  /** How long running requests may go on once the doors are closed; 3,000 ms unless said. */
  readonly closeGraceMs?: number;
  readonly host: string;
  readonly port: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
}

export interface DoorDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Nereid's own version, for metadata. */
  readonly version: string;
  readonly generation: TextGeneration;
  readonly models: ModelDirectory;
  readonly tensors: Pick<TensorServing, "inference" | "catalog" | "control" | "demand" | "statistics">;
  readonly nodes: ConsoleDeps["nodes"];
  readonly leave: ConsoleDeps["leave"];
  readonly unplaced: ConsoleDeps["unplaced"];
  /** Aborts when the gateway is about to stop. */
  readonly stopping?: AbortSignal;
  /** What `logger` logs; settings of a logger that nobody can change are only kept. */
  readonly logControl?: LogControl;
  /** undefined: answers are not logged. */
  readonly accessLog?: Logger;
  /** Gets a line for each control call: who has asked for what, and what became of it; undefined: nobody does. */
  readonly auditLog?: Logger;
  /** undefined: nothing is traced. */
  readonly tracing?: RequestTracing;
  /** What /metrics says. */
  readonly metricsText: () => Promise<string>;
  /** Where gateways share what API keys have used; undefined: this one is the only one. */
  readonly quotas?: QuotaStore | undefined;
}

/** undefined: that door is closed. */
export interface OpenDoors {
  /** `http://HOST:PORT` or `https://HOST:PORT`. */
  readonly httpAddress: string | undefined;
  /** `HOST:PORT`. */
  readonly grpcAddress: string | undefined;
  readonly metricsAddress: string | undefined;
}

/** How long running requests may go on once the gateway stops. */
const CLOSE_GRACE_MS = 3_000;

/** What protects the doors. */
interface Locks {
  readonly http: { readonly guard: Guard; readonly tls: TlsSource | undefined };
  readonly grpc: { readonly guard: Guard; readonly tls: TlsSource | undefined };
}

/**
 * @param stack closes them
 * @throws ServingError when a port is taken, when files or rules cannot be used, or when the address would be open to others unprotected
 */
export async function openDoors(
  addresses: DoorAddresses,
  options: DoorOptions,
  deps: DoorDeps,
  stack: AsyncDisposableStack,
): Promise<OpenDoors> {
  const { host, port, grpcPort, metricsPort, closeGraceMs = CLOSE_GRACE_MS } = addresses;
  const { clock, logger, metricsText, stopping } = deps;
  const locks = await makeLocks(host, options, deps, stack);
  const services = makeServices(host, options, deps, stack);
  const opened: { -readonly [K in keyof OpenDoors]: OpenDoors[K] } = {
    httpAddress: undefined,
    grpcAddress: undefined,
    metricsAddress: undefined,
  };
  const scheme = locks.http.tls === undefined ? "http" : "https";
  if (options.allowHttp) {
    const http = await startHttpServer({
      host,
      port,
      clock,
      ...locks.http,
      corsOrigins: options.corsOrigins,
      limits: { bodyBytesMax: options.httpMaxInputSize },
      routes: httpRoutes(services, deps),
      report: (err: ServingError, route: Route) => logger.warn({ err, path: route.path, ...failedTrace(err) }, "a request failed"),
    });
    stopping?.addEventListener("abort", () => http.announceStop(), { once: true });
    stack.defer(() => http.close(closeGraceMs));
    opened.httpAddress = `${scheme}://${host}:${http.port}`;
  }
  if (options.allowGrpc) {
    const grpc = await startGrpcServer({
      host,
      port: grpcPort,
      clock,
      ...locks.grpc,
      limits: grpcLimits(options),
      compressionLevel: options.grpcInferResponseCompressionLevel,
      methods: kserveGrpcMethods({ ...services, forwardedHeaders: patternOf(options.grpcHeaderForwardPattern) }),
      report: (err, path) => logger.warn({ err, path, ...failedTrace(err) }, "a call failed"),
      answered: answeredCalls({ ...deps, requests: deps.metrics.requests }),
    });
    stopping?.addEventListener("abort", () => grpc.announceStop(), { once: true });
    stack.defer(() => grpc.close(closeGraceMs));
    opened.grpcAddress = `${host}:${grpc.port}`;
  }
  if (options.allowMetrics) {
    const server = await startMetricsServer({ host, port: metricsPort, clock, metricsText, ...locks.http });
    stack.use(server);
    opened.metricsAddress = `${scheme}://${host}:${server.port}`;
  }
  return opened;
}

type Services = ReturnType<typeof makeServices>;

/** What the doors share: a region registered over one of them is used over another. */
function makeServices(host: string, options: DoorOptions, deps: DoorDeps, stack: AsyncDisposableStack) {
  const { models, random, version } = deps;
  const generation = meteredGeneration(deps.generation);
  const bodies = new BodyParsers();
  stack.defer(() => bodies.close());
  const tensors: TensorServing = {
    ...deps.tensors,
    inference: meteredInference(deps.tensors.inference),
    sharedMemory: stack.use(new SharedMemoryRegions({ allowed: options.allowClientShm ?? isLoopbackHost(host) })),
    trace: deps.tracing?.settings ?? new TraceSettings(),
    log: new LogSettings(deps.logControl),
    forwardedHeaders: patternOf(options.httpHeaderForwardPattern),
  };
  const { tracing } = deps;
  return { generation, models, bodies, random, identity: { name: options.id, version }, tensors, tracing };
}

function httpRoutes(
  services: Services,
  { clock, metrics, nodes, leave, unplaced, version, accessLog, auditLog }: DoorDeps,
): readonly Route[] {
  const { tracing } = services;
  const all = [
    ...countedRoutes("openai", openaiRoutes({ ...services, clock, systemFingerprint: `nereid-${version}` }), metrics.requests),
    ...countedRoutes("kserve", kserveRoutes(services), metrics.requests),
    ...consoleRoutes({ ...services, nodes, leave, unplaced }),
  ];
  const audited = auditLog === undefined ? all : auditedRoutes(all, { logger: auditLog, clock });
  const routes = accessLog === undefined ? audited : loggedRoutes(audited, { logger: accessLog, clock });
  return tracing === undefined ? routes : tracedRoutes(routes, tracing);
}

async function makeLocks(host: string, options: DoorOptions, deps: DoorDeps, stack: AsyncDisposableStack): Promise<Locks> {
  const { clock, logger } = deps;
  const { httpTlsCert, httpTlsKey, grpcUseSsl, grpcServerCert, grpcServerKey, grpcUseSslMutual, grpcRootCert } = options;
  const httpFiles = tlsFiles("--http-tls-cert and --http-tls-key", httpTlsCert, httpTlsKey);
  const usesSsl = grpcUseSsl || grpcUseSslMutual;
  const grpcFiles = usesSsl ? tlsFiles("--grpc-server-cert and --grpc-server-key", grpcServerCert, grpcServerKey) : undefined;
  if (usesSsl && grpcFiles === undefined) throw missing("--grpc-use-ssl", "--grpc-server-cert and --grpc-server-key");
  if (grpcUseSslMutual && grpcRootCert === undefined) throw missing("--grpc-use-ssl-mutual", "--grpc-root-cert");
  checkExposure({
    host,
    isLoopback: isLoopbackHost(host),
    insecure: options.insecure,
    tls: [
      ...(options.allowHttp || options.allowMetrics ? [["--http-tls-cert and --http-tls-key", httpFiles !== undefined] as const] : []),
      ...(options.allowGrpc ? [["--grpc-use-ssl", grpcFiles !== undefined] as const] : []),
    ],
    hasKeys: options.apiKeysFile !== undefined || options.apiKeys !== undefined,
  });
  const failed = (err: ServingError) => logger.error({ err }, "a file that was replaced cannot be used: what it held before stays in use");
  const watched = async (files: TlsFiles | undefined) =>
    files === undefined ? undefined : stack.use(await watchTls(files, { clock, failed }));
  const keys = await watchKeys(options, { clock, failed }, stack);
  const limits = {
    requestsPerMinute: options.keyRequestsPerMinute,
    tokensPerMinute: options.keyTokensPerMinute,
    tokensPerDay: options.keyTokensPerDay,
    concurrent: options.keyConcurrentRequests,
  };
  const budgets = keys === undefined ? undefined : stack.use(new Budgets({ clock, logger, limits, store: deps.quotas }));
  const httpRules = parseRestrictions("--http-restricted-api", options.httpRestrictedApi);
  const grpcRules = parseRestrictions("--grpc-restricted-protocol", options.grpcRestrictedProtocol);
  return {
    http: { guard: new Guard({ keys, budgets, restrictions: httpRules, protocol: "http" }), tls: await watched(httpFiles) },
    grpc: {
      guard: new Guard({ keys, budgets, restrictions: grpcRules, protocol: "grpc" }),
      tls: await watched(grpcFiles && { ...grpcFiles, clientAuthority: grpcUseSslMutual ? grpcRootCert : undefined }),
    },
  };
}

type Watching = Pick<WatchOptions, "clock" | "failed">;

/** @returns undefined where no keys are needed */
async function watchKeys(
  { apiKeys, apiKeysFile }: DoorOptions,
  watching: Watching,
  stack: AsyncDisposableStack,
): Promise<(() => ApiKeys) | undefined> {
  const given = apiKeys === undefined ? new Map() : parseApiKeys(apiKeys);
  if (apiKeysFile === undefined) return apiKeys === undefined ? undefined : () => given;
  let keys: ApiKeys = given;
  const use = ([text = ""]: readonly string[]) => {
    keys = new Map([...given, ...parseApiKeys(text)]);
  };
  stack.use(await watchFiles([apiKeysFile], { ...watching, purpose: "API keys", use }));
  return () => keys;
}

/** @throws ServingError when one of the two is missing */
function tlsFiles(flags: string, cert: string | undefined, key: string | undefined): TlsFiles | undefined {
  if (cert !== undefined && key !== undefined) return { cert, key, clientAuthority: undefined };
  if (cert === undefined && key === undefined) return undefined;
  throw new ServingError("INVALID_ARGUMENT", `${flags} go together: give both or none`);
}

function missing(flag: string, needed: string): ServingError {
  return new ServingError("INVALID_ARGUMENT", `${flag} needs ${needed}`);
}

function patternOf(pattern: string | undefined): RegExp | undefined {
  return pattern === undefined ? undefined : headerPattern(pattern);
}

function grpcLimits(options: DoorOptions): Partial<GrpcLimits> {
  return {
    messageBytesMax: options.grpcMaxMessageSize,
    keepaliveMs: options.grpcKeepaliveTime,
    keepaliveAnswerMsMax: options.grpcKeepaliveTimeout,
    pingIntervalMsMin: options.grpcHttp2MinRecvPingIntervalWithoutData,
    pingStrikesMax: options.grpcHttp2MaxPingStrikes,
    connectionAgeMsMax: options.grpcMaxConnectionAge,
    connectionAgeGraceMs: options.grpcMaxConnectionAgeGrace,
  };
}
