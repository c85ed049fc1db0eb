/** A cutter that cuts nothing: every shard is described as it was asked for, at once unless the test holds it. */
import type { ServingError } from "../../../../core/errors.ts";
import type { ShardDescription } from "../../../../core/model/shard-description.ts";
import type { CutRequest, CutShard, Cutter } from "../../../../node-agent/models/cutter.ts";

export interface MemoryCutterOptions {
  readonly text?: Uint8Array;
  readonly vocabSize?: number;
  readonly contextLengthMax?: number;
  readonly weightBytes?: number;
  /** Awaited before a shard is there. */
  readonly held?: Promise<void>;
}

const LAYERS = 12;

export class MemoryCutter implements Cutter {
  readonly requests: CutRequest[] = [];
  readonly progress: ((progress: number) => void)[] = [];
  /** What the next cuts throw, in order. */
  readonly failures: ServingError[] = [];
  readonly #options: MemoryCutterOptions;

  constructor(options: MemoryCutterOptions = {}) {
    this.#options = options;
  }

  async cut(request: CutRequest, onProgress: (progress: number) => void): Promise<CutShard> {
    this.requests.push(request);
    this.progress.push(onProgress);
    await this.#options.held;
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    const { model, version, stage, stages } = request;
    return {
      folder: `${model}/${version}/${stage}-of-${stages}`,
      description: this.#description(request),
      text: this.#options.text ?? new TextEncoder().encode(`text of ${model}`),
    };
  }

  #description({ stage, stages }: CutRequest): ShardDescription {
    const { vocabSize = 1000, contextLengthMax = 400, weightBytes = 1_000_000 } = this.#options;
    return {
      format: 1,
      architecture: "scripted",
      sourceDigest: "0",
      quantization: "native",
      stage,
      stages,
      firstLayer: Math.floor((LAYERS * stage) / stages),
      endLayer: Math.floor((LAYERS * (stage + 1)) / stages),
      layers: LAYERS,
      hiddenSize: 64,
      kvHeads: 1,
      headSize: 8,
      vocabSize,
      contextLengthMax,
      weightBytes,
    };
  }
}
