/** Composes a gateway: fleet and placement, the serving core, the doors and their servers. */
import type { Bus } from "../core/bus/bus.ts";
import type { Clock } from "../core/clock.ts";
import type { ServingError } from "../core/errors.ts";
import type { LinkNetwork } from "../core/link/link.ts";
import type { Random } from "../core/random.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { Metrics } from "../core/telemetry/metrics.ts";
import { consoleRoutes } from "./console/routes.ts";
import { FleetWatch } from "./control/fleet-watch.ts";
import { PlacementLoop } from "./control/placement-loop.ts";
import { BodyParsers } from "./http/body-parser.ts";
import { startMetricsServer } from "./http/metrics-server.ts";
import type { Route } from "./http/route.ts";
import { startHttpServer } from "./http/server.ts";
import { kserveRoutes } from "./kserve/routes.ts";
import { openaiRoutes } from "./openai/routes.ts";
import type { DesiredReplica } from "./placement/desired.ts";
import type { ModelDirectory } from "./serving/text-generation.ts";
import { createTextServing } from "./serving/text-serving.ts";

export interface GatewayOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly metricsPort: number;
  /** What placement is to keep running. */
  readonly desired: readonly DesiredReplica[];
  /** Nereid's own version, for metadata. */
  readonly version: string;
}

export interface GatewayDeps {
  readonly bus: Bus;
  readonly links: LinkNetwork;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Gateway extends AsyncDisposable {
  /** `http://HOST:PORT`. */
  readonly httpAddress: string;
  readonly metricsAddress: string;
  readonly models: ModelDirectory;
  /** Called when the fleet changes. @returns what stops the calls. */
  onChange(listener: () => void): () => void;
}

/** How long running requests may go on once the gateway stops. */
const CLOSE_GRACE_MS = 3_000;

/** Listens at once; models become ready as agents report them. @throws ServingError when a port is taken. */
export async function startGateway(options: GatewayOptions, deps: GatewayDeps): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const { bus, clock, random, logger, metrics } = deps;
  const desired = () => options.desired;
  const watch = stack.use(new FleetWatch(bus, clock, logger));
  const serving = stack.use(createTextServing({ ...deps, fleet: watch.fleet, desired }));
  const { generation, models } = serving;
  const bodies = new BodyParsers();
  const identity = { name: "nereid", version: options.version };
  stack.defer(() => bodies.close());
  const server = await startHttpServer({
    host: options.host,
    port: options.port,
    clock,
    routes: [
      ...openaiRoutes({ generation, models, bodies, clock, random, systemFingerprint: `nereid-${options.version}` }),
      ...kserveRoutes({ generation, models, bodies, random, identity }),
      ...consoleRoutes({ models, identity, nodes: () => watch.fleet.nodes().map(({ heartbeat }) => heartbeat) }),
    ],
    report: (err: ServingError, route: Route) => logger.warn({ err, path: route.path }, "a request failed"),
  });
  stack.defer(() => server.close(CLOSE_GRACE_MS));
  const metricsServer = stack.use(
    await startMetricsServer({ host: options.host, port: options.metricsPort, metricsText: () => metrics.metricsText() }),
  );
  stack.defer(watch.onChange(() => serving.warm()));
  stack.use(new PlacementLoop({ bus, clock, watch, desired }));
  const running = stack.move();
  return {
    httpAddress: `http://${options.host}:${server.port}`,
    metricsAddress: `http://${options.host}:${metricsServer.port}`,
    models,
    onChange: (listener) => watch.onChange(listener),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
