/**
 * The parts of the small-model benchmark: whole servers on one core, requests from another one, ours and Triton's in turn. Requests a
 * second are told for each second that the servers' processes were on a core: that is what a core yields, whatever else runs beside.
 */
import type { BenchContext, BenchPart } from "../context.ts";
import { type Figures, figuresOf, inTurn, type Side } from "../rounds.ts";
import { formatHeader, formatRow, type Row } from "../table.ts";
import { MODELS, WIDE_FEATURES, writeModels } from "./repositories.ts";
import { type LoadShape, loadOnce, type SmallServer, startEcho, startOurs, startTheirs, warmUp } from "./servers.ts";

const PROTOCOLS = ["http", "grpc"] as const;
const CONCURRENCIES = [1, 8, 32];
const SMALL = [
  { model: MODELS.identity, shape: "INPUT0:16" },
  { model: MODELS.classifier, shape: "X:64" },
];
const MEGABYTE = { model: MODELS.identity, shape: "INPUT0:262144" };
const GOAL = { http: 3, grpc: 4, p99: 1, large: 1.5, beyondEchoUs: 12, batching: 3 };

export const REQUESTS_PART: BenchPart = {
  name: "requests",
  help: "requests/s of a core and p99 over HTTP and gRPC at concurrency 1, 8, 32, beside Triton's Python backend",
  run: (context) => against(context, "small tensors", shapes(SMALL, CONCURRENCIES), ({ protocol }) => GOAL[protocol]),
};

export const LARGE_PART: BenchPart = {
  name: "large",
  help: "the same with tensors of 1 MB there and back",
  run: (context) => against(context, "tensors of 1 MB", shapes([MEGABYTE], [4]), () => GOAL.large, 1_000),
};

export const ECHO_PART: BenchPart = {
  name: "echo",
  help: "CPU of a request beyond that of the bare door",
  run: echo,
};

export const BATCHING_PART: BenchPart = {
  name: "batching",
  help: "what dynamic batching gains on a model whose batches cost little more than a row",
  run: batching,
};

const shapes = (
  models: readonly { readonly model: string; readonly shape: string }[],
  concurrencies: readonly number[],
): readonly LoadShape[] =>
  models.flatMap((model) => PROTOCOLS.flatMap((protocol) => concurrencies.map((concurrency) => ({ ...model, protocol, concurrency }))));

const nameOf = ({ model, protocol, concurrency }: LoadShape): string => `${model}, ${protocol}, ${concurrency} under way`;

/** Both servers run all the time; the one that is not measured does nothing. @param requestCount to warm up, and to measure; as for small tensors unless said */
async function against(
  context: BenchContext,
  what: string,
  loads: readonly LoadShape[],
  goal: (load: LoadShape) => number,
  requestCount?: number,
): Promise<readonly Row[]> {
  const triton = await context.triton();
  context.say(`\n${what}: ours (ONNX in a process of its own) beside ${triton.version}; servers on core 0, the load on core 1`);
  await using models = await writeModels();
  await using ours = await startOurs(context, models.ours);
  await using theirs = await startTheirs(context, models.theirs);
  for (const load of loads.filter(({ concurrency }) => concurrency === loads[0]?.concurrency))
    for (const server of [ours, theirs]) await warmUp(server, load, context.signal, requestCount);
  const sides = [side(context, "ours", ours, loads, requestCount), side(context, "triton", theirs, loads, requestCount)];
  const collected = await inTurn(sides, context.rounds, context.say);
  const rows = loads.flatMap((load): readonly Row[] => {
    const figures = (kind: string) => ({
      ours: figuresOf(collected, "ours", `${nameOf(load)} ${kind}`),
      peer: figuresOf(collected, "triton", `${nameOf(load)} ${kind}`),
    });
    return [
      {
        name: `${nameOf(load)}: of a core`,
        unit: "req/s",
        better: "more",
        ...figures(CORE),
        goal: { kind: "ratio", least: goal(load) },
      },
      { name: `${nameOf(load)}: p99`, unit: "ms", better: "less", ...figures(P99), goal: { kind: "ratio", least: GOAL.p99 } },
    ];
  });
  context.say(formatHeader("triton"));
  for (const row of rows) context.say(formatRow(row));
  return rows;
}

const CORE = "req/s of a core";
const P99 = "p99 ms";

function side(context: BenchContext, name: string, server: SmallServer, loads: readonly LoadShape[], requestCount?: number): Side {
  return {
    name,
    async measure() {
      const figures = new Map<string, number>();
      for (const load of loads) {
        const { frontUs, restUs, p99Ms } = await loadOnce(server, load, context.signal, requestCount);
        figures.set(`${nameOf(load)} ${CORE}`, 1_000_000 / (frontUs + restUs));
        figures.set(`${nameOf(load)} ${P99}`, p99Ms);
      }
      return figures;
    },
  };
}

async function echo(context: BenchContext): Promise<readonly Row[]> {
  const loads = shapes([SMALL[0] ?? MEGABYTE], [32]);
  context.say("\nbeyond the door: CPU of a request to the identity model, less that of the same door with a model that answers at once");
  await using models = await writeModels();
  await using cluster = await startOurs(context, models.ours);
  await using door = await startEcho(context);
  for (const load of loads) for (const server of [cluster, door]) await warmUp(server, load, context.signal);
  const cost = (server: SmallServer, name: string): Side => ({
    name,
    async measure() {
      const figures = new Map<string, number>();
      for (const load of loads) {
        const { frontUs, restUs } = await loadOnce(server, load, context.signal);
        figures.set(`${load.protocol} us`, frontUs);
        figures.set(`${load.protocol} runner us`, restUs);
      }
      return figures;
    },
  });
  const collected = await inTurn([cost(cluster, "cluster"), cost(door, "echo")], context.rounds, context.say);
  const rows = PROTOCOLS.flatMap((protocol) => echoRows(protocol, collected));
  context.say(formatHeader(""));
  for (const row of rows) context.say(formatRow(row));
  return rows;
}

function echoRows(protocol: string, collected: ReadonlyMap<string, Figures>): readonly Row[] {
  const whole = figuresOf(collected, "cluster", `${protocol} us`);
  const door = figuresOf(collected, "echo", `${protocol} us`);
  const row = (name: string, ours: readonly number[]): Row => ({
    name: `${protocol}: ${name}`,
    unit: "us",
    better: "less",
    ours,
    peer: [],
  });
  const beyond = whole.map((us, round) => us - (door[round] ?? Number.NaN));
  return [
    row("the door's bare echo", door),
    row("gateway and agent", whole),
    { ...row("beyond the echo", beyond), goal: { kind: "figure", most: GOAL.beyondEchoUs } },
    row("the runner's process", figuresOf(collected, "cluster", `${protocol} runner us`)),
  ];
}

async function batching(context: BenchContext): Promise<readonly Row[]> {
  context.say(`\nbatching: a product with 1,024 x 1,024 weights, 64 requests under way, with dynamic batching beside without`);
  await using models = await writeModels();
  await using server = await startOurs(context, models.ours);
  const loadOf = (model: string) => ({ model, protocol: "http", concurrency: 64, shape: `X:${WIDE_FEATURES}` }) as const;
  for (const model of [MODELS.together, MODELS.alone]) await warmUp(server, loadOf(model), context.signal);
  const measured = (model: string): Side => ({
    name: model,
    async measure() {
      const load = loadOf(model);
      const { frontUs, restUs } = await loadOnce(server, load, context.signal);
      return new Map([[CORE, 1_000_000 / (frontUs + restUs)]]);
    },
  });
  const collected = await inTurn([measured(MODELS.together), measured(MODELS.alone)], context.rounds, context.say);
  const row: Row = {
    name: "with dynamic batching: of a core",
    unit: "req/s",
    better: "more",
    ours: figuresOf(collected, MODELS.together, CORE),
    peer: figuresOf(collected, MODELS.alone, CORE),
    goal: { kind: "ratio", least: GOAL.batching },
  };
  context.say(formatHeader("without"));
  context.say(formatRow(row));
  return [row];
}
