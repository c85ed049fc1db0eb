/** Runs a streaming call: messages both ways, each pulled by whoever takes them. */
import type { ServerHttp2Stream } from "node:http2";
import { ServingError } from "../../core/errors.ts";
import type { StreamingMethod } from "./method.ts";
import type { RequestMessages } from "./request-messages.ts";
import type { RunningCall } from "./running-call.ts";

/** @param done called once, when the handler has ended */
export async function runStreaming(method: StreamingMethod, call: RunningCall, messages: RequestMessages, done: () => void): Promise<void> {
  try {
    for await (const message of method.handle(requestsOf(call, messages), call)) {
      const caughtUp = call.write(message);
      if (caughtUp !== undefined) await caughtUp;
      if (call.ended) break;
    }
    call.finish();
  } catch (thrown) {
    call.fail(ServingError.from(call.reason ?? thrown));
  } finally {
    messages.release();
    done();
  }
}

/**
 * The client's messages until it closes its half. What is not pulled stays with the client.
 * @throws ServingError the signal's reason when the call ends before; what is wrong with the bytes
 */
async function* requestsOf(call: RunningCall, messages: RequestMessages): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunksOf(call.stream)) {
    for (const frame of messages.push(chunk)) yield frame.compressed ? await messages.inflated(frame) : frame.bytes;
    if (!messages.partial) messages.release();
  }
  if (call.reason !== undefined) throw call.reason;
  if (messages.partial) throw new ServingError("INTERNAL", "the client closed its half of the stream inside a message");
}

/** Ends, and does not throw, when the stream closes early: the signal tells why. */
async function* chunksOf(stream: ServerHttp2Stream): AsyncGenerator<Uint8Array> {
  try {
    yield* stream.iterator({ destroyOnReturn: false });
  } catch (thrown) {
    if (!stream.destroyed) throw thrown;
  }
}
