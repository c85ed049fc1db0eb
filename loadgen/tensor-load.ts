/** Prepares the requests of a load on a model of tensors, as the server describes it. */
import type { Client } from "../client/client.ts";
import type { InferRequest } from "../client/infer-request.ts";
import type { Random } from "../core/random.ts";
import type { Target } from "./channel.ts";
import { readInputFile } from "./input-file.ts";
import { type GivenData, type GivenInputs, type InputData, requestInputs } from "./inputs.ts";
import type { LoadPlan } from "./load-plan.ts";
import { inTurn, type RequestOrder } from "./request-order.ts";
import { SequenceOrder, sequenceRequests } from "./sequences.ts";
import { shareRequests } from "./shared-requests.ts";
import { clientTarget } from "./targets/client-target.ts";
import { grpcTarget } from "./targets/grpc-target.ts";
import { httpTarget } from "./targets/http-target.ts";

/** Where the requests of a level go, and in which order. */
export interface PreparedLevel {
  readonly target: Target;
  readonly order: RequestOrder;
}

/** A load with its requests, of whatever service. */
export interface PreparedLoad {
  /** Requests that may be under way at once where so many are sent a second. */
  readonly channelsMax: number;
  /** @throws ServingError INVALID_ARGUMENT for what so many clients cannot do */
  prepare(clients: number): PreparedLevel;
}

export interface TensorLoadDeps {
  readonly client: Client;
  readonly random: Random;
  /** Gives back what the requests have taken. */
  readonly stack: AsyncDisposableStack;
}

export const versionOf = ({ version }: LoadPlan) => (version === undefined ? {} : { version });

/** Asks for the model. @throws ServingError what the server says of it; INVALID_ARGUMENT for data that does not fit */
export async function tensorLoad(plan: LoadPlan, { client, random, stack }: TensorLoadDeps, signal: AbortSignal): Promise<PreparedLoad> {
  const { model, parameters = {}, shared, measure } = plan;
  const { batchSize, channelsMax } = measure;
  const options = { ...versionOf(plan), signal };
  const [metadata, config] = [await client.modelMetadata(model, options), await client.modelConfig(model, options)];
  const batched = config.max_batch_size > 0;
  const streams = plan.data.kind === "file" ? readInputFile(plan.data.text) : undefined;
  const inputs = requestInputs({
    metadata,
    batched,
    batchSize,
    shapes: plan.shapes,
    data: inputData(plan, streams?.flat() ?? [], random),
    stringLength: plan.stringLength,
    stringData: plan.stringData,
  });
  const sent = inputs.map((tensors) => ({ model, ...versionOf(plan), inputs: tensors, parameters }));
  const requests: readonly InferRequest[] =
    shared === undefined ? sent : stack.use(await shareRequests(sent, { client, metadata, batched, batchSize, ...shared })).requests;
  const { sequences } = plan;
  if (sequences === undefined || config["sequence_batching"] === undefined)
    return { channelsMax, prepare: () => ({ target: targetOf(plan, requests), order: inTurn() }) };
  const lengths = streams?.map(({ length }) => length);
  return {
    channelsMax: sequences.atOnce,
    prepare: (clients) => ({
      target: targetOf(plan, sequenceRequests(requests, clients, sequences)),
      order: new SequenceOrder(sequences, lengths, () => random.next()),
    }),
  };
}

function targetOf({ url, headers, protocol, streaming, formats, compression }: LoadPlan, requests: readonly InferRequest[]): Target {
  const target = { url, headers, requests, formats, compression };
  if (streaming || compression !== undefined || url.protocol === "https:") return clientTarget({ ...target, protocol, streaming });
  return protocol === "http" ? httpTarget(target) : grpcTarget(target);
}

function inputData({ data }: LoadPlan, elements: readonly GivenInputs[], random: Random): InputData {
  switch (data.kind) {
    case "zero":
      return { kind: "zero" };
    case "random":
      return { kind: "random", chance: () => random.next() };
    case "file":
      return { kind: "given", elements };
    case "folder":
      return { kind: "given", elements: [new Map(Array.from(data.files, ([name, bytes]) => [name, fileData(bytes)]))] };
  }
}

const fileData = (bytes: Uint8Array): GivenData => ({ shape: undefined, content: { kind: "file", bytes } });
