/** Puts the tensors of a load's requests into a region of system shared memory that the server reads and writes. */
import { rm, writeFile } from "node:fs/promises";
import type { ModelMetadata } from "../client/answers.ts";
import type { Client } from "../client/client.ts";
import type { InferRequest } from "../client/infer-request.ts";
import { sharedTensor } from "../client/tensor-input.ts";
import { ServingError } from "../core/errors.ts";
import { byteSize, type Tensor } from "../core/tensor/tensor.ts";

export interface SharedRequestsOptions {
  readonly client: Client;
  readonly metadata: ModelMetadata;
  /** Whether the signature's first dimension is the batch. */
  readonly batched: boolean;
  readonly batchSize: number;
  /** What an output of any size may take, for each inference of a batch. */
  readonly outputBytes: number;
}

type TensorRequest = Omit<InferRequest, "inputs"> & { readonly inputs: readonly Tensor[] };

/** Disposing it takes the region away from the server and from this machine. */
export interface SharedRequests extends AsyncDisposable {
  readonly requests: readonly InferRequest[];
}

/** @throws ServingError when this machine has no shared memory; ClientError what the server says of the region */
export async function shareRequests(
  requests: readonly TensorRequest[],
  { client, metadata, batched, batchSize, outputBytes }: SharedRequestsOptions,
): Promise<SharedRequests> {
  const region = `nereid-bench-${process.pid}`;
  const parts: Uint8Array[] = [];
  let size = 0;
  const rangeOf = (bytes: number) => {
    const range = { region, bytes, offset: size };
    size += bytes;
    return range;
  };
  const withInputs = requests.map((request) => ({
    ...request,
    inputs: request.inputs.map(({ name, dtype, shape, data }) => {
      parts.push(data);
      return sharedTensor(name, dtype, shape, rangeOf(data.byteLength));
    }),
  }));
  const outputs = metadata.outputs.map(({ name, dtype, shape }) => {
    const sizes = batched ? [batchSize, ...shape.slice(1)] : shape;
    const known = sizes.every((one) => one >= 0) ? byteSize(dtype, sizes) : undefined;
    return { name, shared: rangeOf(known ?? outputBytes * batchSize) };
  });
  const file = `/dev/shm/${region}`;
  try {
    await writeFile(file, Buffer.concat(parts, size));
  } catch (cause) {
    throw new ServingError("FAILED_PRECONDITION", `--shared-memory: ${file} cannot be written: leave it out`, { cause });
  }
  const release = async () => {
    await client.unregisterSystemSharedMemory(region).catch(() => {}); // the server may be gone
    await rm(file, { force: true });
  };
  try {
    await client.registerSystemSharedMemory(region, `/${region}`, size);
  } catch (thrown) {
    await release();
    throw thrown;
  }
  return { requests: withInputs.map((request) => ({ ...request, outputs })), [Symbol.asyncDispose]: release };
}
