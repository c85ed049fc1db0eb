/** A worker thread of the encode pool: opens the tokenizers that it is sent and encodes one text after another. */
import { parentPort } from "node:worker_threads";
import { assert, ServingError } from "../../core/errors.ts";
import { parseTextBundle } from "../../core/model/text-bundle-codec.ts";
import { giveWay } from "../../core/thread-priority.ts";
import type { EncodeAnswer, EncodeJob } from "./encode-job.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";

const tokenizers = new Map<string, Tokenizer>();

function tokenizerOf(job: EncodeJob): Tokenizer {
  if (job.forget !== undefined) tokenizers.delete(job.forget);
  const known = tokenizers.get(job.digest);
  if (known !== undefined) return known;
  assert(job.bundle !== undefined, `this worker has no bundle ${job.digest}`);
  const opened = createTokenizer(parseTextBundle(job.bundle.slice())); // a copy: TextDecoder may refuse shared memory
  tokenizers.set(job.digest, opened);
  return opened;
}

function answerTo(job: EncodeJob): EncodeAnswer {
  try {
    return { kind: "ids", ids: tokenizerOf(job).encode(job.text, { addSpecial: job.addSpecial }) };
  } catch (thrown) {
    const { code, message } = ServingError.from(thrown);
    return { kind: "failed", code, message };
  }
}

giveWay();
const port = parentPort;
assert(port !== null, "encode-worker.ts runs as a worker thread only");
port.on("message", (job: EncodeJob) => {
  const answer = answerTo(job);
  port.postMessage(answer);
});
