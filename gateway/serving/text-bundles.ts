/** Models' text sides, fetched from their nodes over the link and kept by digest, as many as fit a bound in bytes. */
import { deadlineSignal, untilAborted } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { textBundleDigest } from "../../core/model/text-bundle-codec.ts";
import type { NodeTarget } from "./link-pool.ts";
import type { Submitter } from "./submit.ts";
import { wholeAnswer } from "./whole-answer.ts";

const FETCH_MS_MAX = 30_000;
/** Bundles of known tokenizers reach 35 MB. */
const BUNDLE_BYTES_MAX = 128 * 1024 * 1024;

export interface TextBundlesOptions<Model> {
  readonly submitter: Submitter;
  readonly clock: Clock;
  /** Sum of the bundles' bytes; the most recently used one stays whatever its size. */
  readonly bytesMax: number;
  /** Opens a bundle whose digest is right. */
  readonly open: (bytes: Uint8Array) => Model;
}

interface Kept<Model> {
  readonly model: Model;
  readonly bytes: number;
}

export class TextBundles<Model> {
  readonly #options: TextBundlesOptions<Model>;
  /** By digest; the least recently used first. */
  readonly #kept = new Map<string, Kept<Model>>();
  readonly #fetching = new Map<string, Promise<Model>>();
  #keptBytes = 0;

  constructor(options: TextBundlesOptions<Model>) {
    this.#options = options;
  }

  /**
   * One fetch serves all who ask meanwhile, and goes on when one of them leaves.
   * @throws ServingError UNAVAILABLE when the node does not give it, DATA_LOSS when it gives another; the signal's reason.
   */
  get(digest: string, target: NodeTarget, signal: AbortSignal): Promise<Model> {
    const kept = this.#kept.get(digest);
    if (kept !== undefined) {
      this.#kept.delete(digest);
      this.#kept.set(digest, kept);
      return Promise.resolve(kept.model);
    }
    const running = this.#fetching.get(digest);
    if (running !== undefined) return untilAborted(running, signal);
    const fetching = this.#fetch(digest, target).finally(() => this.#fetching.delete(digest));
    this.#fetching.set(digest, fetching);
    fetching.catch(() => {}); // told to those who still wait
    return untilAborted(fetching, signal);
  }

  async #fetch(digest: string, target: NodeTarget): Promise<Model> {
    const { clock, submitter, open } = this.#options;
    using limit = deadlineSignal(clock, FETCH_MS_MAX);
    const submission = await submitter.submit({ kind: "text-bundle", digest }, target, limit.signal);
    if (submission.kind === "unreachable") throw submission.error;
    if (submission.kind === "refused") throw new ServingError("UNAVAILABLE", submission.message);
    using answers = submission.answers;
    const bytes = await wholeAnswer(answers, { what: "a text bundle", bytesMax: BUNDLE_BYTES_MAX });
    if (textBundleDigest(bytes) !== digest) {
      throw new ServingError("DATA_LOSS", `node ${target.node} sent another text bundle than ${digest}`);
    }
    const model = open(bytes);
    this.#keep(digest, { model, bytes: bytes.byteLength });
    return model;
  }

  #keep(digest: string, kept: Kept<Model>): void {
    this.#kept.set(digest, kept);
    this.#keptBytes += kept.bytes;
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#keptBytes <= this.#options.bytesMax || this.#kept.size === 1) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= bytes;
    }
  }
}
