/** Composes a gateway: fleet and placement, the serving core, the doors and their servers. */
import type { Bus } from "../core/bus/bus.ts";
import type { Clock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { LinkNetwork } from "../core/link/link.ts";
import type { Random } from "../core/random.ts";
import type { ModelSources } from "../core/repository/model-sources.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { Metrics } from "../core/telemetry/metrics.ts";
import { consoleRoutes } from "./console/routes.ts";
import { FleetWatch } from "./control/fleet-watch.ts";
import { ClusterModelControl } from "./control/model-control.ts";
import { PlacementLoop } from "./control/placement-loop.ts";
import { RepositoryFolders } from "./control/repository-folders.ts";
import { type GrpcServer, startGrpcServer } from "./grpc/server.ts";
import { BodyParsers } from "./http/body-parser.ts";
import { countedRoutes } from "./http/counted-routes.ts";
import { isLoopbackHost } from "./http/host-check.ts";
import { startMetricsServer } from "./http/metrics-server.ts";
import type { Route } from "./http/route.ts";
import { type HttpServer, startHttpServer } from "./http/server.ts";
import { LogSettings } from "./kserve/log-settings.ts";
import { kserveRoutes } from "./kserve/routes.ts";
import { SharedMemoryRegions } from "./kserve/shared-memory.ts";
import type { TensorServing } from "./kserve/tensor-serving.ts";
import { TraceSettings } from "./kserve/trace-settings.ts";
import { kserveGrpcMethods } from "./kserve-grpc/methods.ts";
import { openaiRoutes } from "./openai/routes.ts";
import type { DesiredReplica } from "./placement/desired.ts";
import { createModelServing, type ModelServing } from "./serving/model-serving.ts";
import type { ModelDirectory } from "./serving/text-generation.ts";
import { createTextServing, type TextServing } from "./serving/text-serving.ts";

export interface GatewayOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
  /** Language models that placement is to keep running. */
  readonly desired: readonly DesiredReplica[];
  /** Whole models: `none` serves all that the repository has, `explicit` what clients load, `off` none. */
  readonly modelControl: "none" | "explicit" | "off";
  /** Nereid's own version, for metadata. */
  readonly version: string;
}

export interface GatewayDeps {
  readonly bus: Bus;
  readonly links: LinkNetwork;
  readonly sources: ModelSources;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Gateway extends AsyncDisposable {
  /** `http://HOST:PORT`. */
  readonly httpAddress: string;
  /** `HOST:PORT`. */
  readonly grpcAddress: string;
  readonly metricsAddress: string;
  readonly models: ModelDirectory;
  /** Whole models that the repository has, and that could not be loaded; resolves when all have been tried. */
  readonly loaded: Promise<readonly ServingError[]>;
  /** Names of whole models of which a version is ready, sorted. */
  wholeModels(): Promise<readonly string[]>;
  /** Called when the fleet changes. @returns what stops the calls. */
  onChange(listener: () => void): () => void;
}

/** How long running requests may go on once the gateway stops. */
const CLOSE_GRACE_MS = 3_000;

/** Listens at once; models become ready as agents report them. @throws ServingError when a port is taken. */
export async function startGateway(options: GatewayOptions, deps: GatewayDeps): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const core = startCore(options, deps, stack);
  const { watch, text, whole, control } = core;
  const { http, grpc } = await startDoors(options, deps, core, stack);
  const metricsServer = stack.use(
    await startMetricsServer({ host: options.host, port: options.metricsPort, metricsText: () => deps.metrics.metricsText() }),
  );
  stack.defer(
    watch.onChange(() => {
      text.warm();
      whole.refresh();
      control.fleetChanged();
    }),
  );
  const closing = new AbortController();
  stack.defer(() => closing.abort(new ServingError("CANCELLED", "the gateway is shutting down")));
  const loaded = options.modelControl === "none" ? control.loadAll(closing.signal) : Promise.resolve([]);
  const running = stack.move();
  return {
    httpAddress: `http://${options.host}:${http.port}`,
    grpcAddress: `${options.host}:${grpc.port}`,
    metricsAddress: `http://${options.host}:${metricsServer.port}`,
    models: text.models,
    loaded,
    async wholeModels() {
      const ready = (await control.index()).filter(({ state }) => state === "READY");
      return [...new Set(ready.map(({ name }) => name))];
    },
    onChange: (listener) => watch.onChange(listener),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** What is behind the doors: the fleet, placement, and the serving of text and tensors. */
interface Core {
  readonly watch: FleetWatch;
  readonly text: TextServing;
  readonly whole: ModelServing;
  readonly control: ClusterModelControl;
}

function startCore(options: GatewayOptions, deps: GatewayDeps, stack: AsyncDisposableStack): Core {
  const { bus, clock, logger } = deps;
  const desired = () => options.desired;
  const watch = stack.use(new FleetWatch(bus, clock, logger));
  const text = stack.use(createTextServing({ ...deps, fleet: watch.fleet, desired }));
  const control: ClusterModelControl = new ClusterModelControl({
    folders: new RepositoryFolders(deps.sources),
    fleet: { models: () => whole.hosted() },
    nudge: () => {
      whole.refresh();
      placement.nudge();
    },
    mode: options.modelControl === "explicit" ? "explicit" : "none",
  });
  const { models: directory, submitter, inFlight } = text;
  const [wanted, known] = [() => control.desired(), () => control.known()];
  const whole: ModelServing = stack.use(createModelServing({ ...deps, fleet: watch.fleet, directory, submitter, inFlight, wanted, known }));
  whole.onChange(() => control.fleetChanged());
  const placement: PlacementLoop = stack.use(new PlacementLoop({ bus, clock, watch, desired, desiredModels: () => control.desired() }));
  return { watch, text, whole, control };
}

interface Doors {
  readonly http: HttpServer;
  readonly grpc: GrpcServer;
}

async function startDoors(options: GatewayOptions, deps: GatewayDeps, core: Core, stack: AsyncDisposableStack): Promise<Doors> {
  const { clock, random, logger, metrics } = deps;
  const { generation, models } = core.text;
  const identity = { name: "nereid", version: options.version };
  const systemFingerprint = `nereid-${options.version}`;
  const bodies = new BodyParsers();
  stack.defer(() => bodies.close());
  const tensors: TensorServing = {
    ...core.whole,
    control: core.control,
    sharedMemory: stack.use(new SharedMemoryRegions({ allowed: isLoopbackHost(options.host) })),
    trace: new TraceSettings(),
    log: new LogSettings(),
    forwardedHeaders: undefined,
  };
  const nodes = () => core.watch.fleet.nodes().map(({ heartbeat }) => heartbeat);
  const http = await startHttpServer({
    host: options.host,
    port: options.port,
    clock,
    routes: [
      ...countedRoutes("openai", openaiRoutes({ generation, models, bodies, clock, random, systemFingerprint }), metrics.requests),
      ...countedRoutes("kserve", kserveRoutes({ generation, models, bodies, random, identity, tensors }), metrics.requests),
      ...consoleRoutes({ models, identity, nodes }),
    ],
    report: (err: ServingError, route: Route) => logger.warn({ err, path: route.path }, "a request failed"),
  });
  stack.defer(() => http.close(CLOSE_GRACE_MS));
  const grpc = await startGrpcServer({
    host: options.host,
    port: options.grpcPort,
    clock,
    methods: kserveGrpcMethods({ generation, models, random, identity, tensors }),
    report: (err, path) => logger.warn({ err, path }, "a call failed"),
  });
  stack.defer(() => grpc.close(CLOSE_GRACE_MS));
  return { http, grpc };
}
