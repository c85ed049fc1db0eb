/** What is behind a gateway's doors: the fleet, placement, and the serving of text and tensors. */
import type { GenerationStore } from "../core/store/generations/generation-store.ts";
import type { Tracer } from "../core/telemetry/tracing.ts";
import { ClusterReach } from "./control/cluster-reach.ts";
import { type ControlPlane, createControlPlane } from "./control/control-plane.ts";
import { FleetWatch } from "./control/fleet-watch.ts";
import type { ClusterModelControl } from "./control/model-control.ts";
import { LoadsOnDemand } from "./control/model-demand.ts";
import type { ModelFolders } from "./control/model-folders.ts";
import { nodeAnswers } from "./control/node-answers.ts";
import { nodeTeller } from "./control/node-teller.ts";
import { NodeWatch } from "./control/node-watch.ts";
import { RepositoryFolders } from "./control/repository-folders.ts";
import type { GatewayDeps, GatewayOptions } from "./gateway-options.ts";
import { calledLanguageModel } from "./kserve/generate/called-language-model.ts";
import { lastAsked } from "./serving/gather-statistics.ts";
import type { ModelDemand } from "./serving/model-catalog.ts";
import { createModelServing, type ModelServing } from "./serving/model-serving.ts";
import { NodeFiles } from "./serving/node-files.ts";
import { ReturningModels } from "./serving/returning-models.ts";
import { createTextServing, type TextServing } from "./serving/text-serving.ts";

const ABSENCE_WAIT_MS = 30_000;

export interface Core {
  readonly watch: FleetWatch;
  readonly text: TextServing;
  readonly whole: ModelServing;
  readonly control: ClusterModelControl;
  /** To be called when all that is to be served from the start has been tried: until then this gateway is not ready. */
  readonly loadedFirst: () => void;
  readonly demand: ModelDemand;
  readonly folders: ModelFolders;
  readonly leave: ControlPlane["leave"];
  /** Nobody waits for what is lost from now on. */
  readonly retire: () => void;
}

export function startCore(
  options: GatewayOptions,
  deps: GatewayDeps & { readonly tracer: Tracer; readonly generations: GenerationStore },
  stopping: AbortSignal,
  stack: AsyncDisposableStack,
): Core {
  const { bus, clock, logger } = deps;
  const watch = stack.use(new FleetWatch(bus, clock, logger));
  const { fleet } = watch;
  const nodeFiles: NodeFiles = stack.use(new NodeFiles({ fleet, submitter: () => text.submitter, clock }));
  const folders = new RepositoryFolders(deps.sources.withPeers(nodeFiles.ask));
  const plane = stack.use(
    createControlPlane(
      {
        ...deps,
        tell: nodeTeller(bus, { tell: (node, control) => nodes.tell(node, control) }),
        watch,
        folders,
        models: () => whole.hosted(),
        onWanted: () => whole.refresh(),
      },
      planeOptions(options),
    ),
  );
  const { control } = plane;
  const answerNode = nodeAnswers({ files: (request) => nodeFiles.answer(request, deps.sources), control, stopping });
  const desired = () => control.desired().replicas;
  const isServed = (model: string): boolean =>
    whole.catalog.isReady(model, undefined) ||
    text.models.list().some(({ name, readiness }) => name === model && readiness.kind === "ready");
  const checkReach = () => reach.check();
  const returning = stack.use(
    new ReturningModels({
      entries: () => plane.wanted(),
      hosted: { models: () => whole.hosted(), shards: () => fleet.shards(), replicas: () => fleet.replicas() },
      isServed,
      checkReach,
      clock,
      waitMs: options.absenceWaitMs ?? ABSENCE_WAIT_MS,
    }),
  );
  let hasLoaded = false;
  const starting = () => !hasLoaded;
  const text: TextServing = stack.use(
    createTextServing({ ...deps, ...options, starting, fleet, answerNode, desired, patience: returning }),
  );
  const { models: directory, submitter, inFlight } = text;
  const nodes: NodeWatch = stack.use(new NodeWatch({ bus, watch, submitter, onHearing: () => reach.look(), clock, logger }));
  const reach: ClusterReach = stack.use(new ClusterReach({ bus, hearing: () => nodes.hearing, clock }));
  const loadedFirst = () => {
    hasLoaded = true;
  };
  const { strictReadiness } = options;
  const isWhole = () => strictReadiness === false || !control.hasLost();
  const serving = () => hasLoaded && !stopping.aborted && isWhole() && reach.isThere;
  // What the store has never heard of serves since before the store was emptied.
  const wanted = () => [...control.desired().models, ...fleet.models().filter(({ model }) => !control.isKnown(model))];
  const told = { starting, serving, strictReadiness, wanted, known: () => control.known() };
  const calls = { calledLanguageModel: calledLanguageModel({ ...deps, ...text }) };
  const whole: ModelServing = stack.use(createModelServing({ ...deps, ...told, ...calls, fleet, directory, submitter, inFlight }));
  whole.onChange(() => control.fleetChanged());
  const asked = (signal: AbortSignal) => lastAsked({ fleet, submitter, clock, logger }, signal);
  const loads = { control, folders, fleet, entries: () => plane.wanted(), isServed, checkReach, lastAsked: asked, clock, logger };
  const demand = options.modelControl === "on-demand" ? stack.use(new LoadsOnDemand(loads)) : returning;
  const retire = () => {
    text.retire();
    returning[Symbol.dispose]();
  };
  return { watch, text, whole, control, demand, folders, loadedFirst, leave: plane.leave, retire };
}

const planeOptions = ({ modelControl, nodesMin, rebalance = false }: GatewayOptions) => {
  const mode = modelControl === "explicit" || modelControl === "on-demand" ? "explicit" : "none";
  return { mode, nodesMin, rebalance } as const;
};
