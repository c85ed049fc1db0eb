/** The JSON of inference requests as it was read before: clients that send their tensors as bytes say the same in it each time. Pure. */
import { type HeadLimits, type InferHead, parseInferText } from "./infer-head.ts";

const TEXT_LENGTH_MAX = 2_048;
/** All are forgotten when there are so many: a client that says something else each time gains nothing, and costs no more memory. */
const HEADS_MAX = 256;

export class KnownHeads {
  readonly #heads = new Map<string, InferHead>();

  /** @param text one character a byte @throws ServingError as `parseInferText` */
  read(text: string, limits: HeadLimits): InferHead {
    if (text.length > TEXT_LENGTH_MAX) return parseInferText(text, limits);
    const known = this.#heads.get(text);
    if (known !== undefined) return known;
    const head = parseInferText(text, limits);
    if (isOfMany(head)) {
      if (this.#heads.size >= HEADS_MAX) this.#heads.clear();
      this.#heads.set(text, head);
    }
    return head;
  }
}

/** Ids and parameters tell one request from another, and data is its own. */
function isOfMany({ id, parameters, inputs }: InferHead): boolean {
  return id === "" && parameters.size === 0 && inputs.every(({ source }) => source.kind !== "json");
}
