/** One bidirectional call of raw messages, all sent, then half-closed: what comes back. */
import { Client, credentials } from "@grpc/grpc-js";
import { statusName } from "./grpc-client.ts";

export interface StreamOutcome {
  readonly code: string;
  readonly details: string;
  readonly messages: readonly Uint8Array[];
}

export async function streamBytes(port: number, path: string, requests: readonly Uint8Array[]): Promise<StreamOutcome> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  try {
    const same = (bytes: Buffer) => bytes;
    const stream = client.makeBidiStreamRequest<Buffer, Buffer>(path, same, same);
    const messages: Uint8Array[] = [];
    stream.on("data", (message: Buffer) => messages.push(message));
    stream.on("error", () => undefined);
    const { promise, resolve } = Promise.withResolvers<{ readonly code: number; readonly details: string }>();
    stream.on("status", resolve);
    for (const request of requests) stream.write(Buffer.from(request));
    stream.end();
    const { code, details } = await promise;
    return { code: statusName(code), details, messages };
  } finally {
    client.close();
  }
}
