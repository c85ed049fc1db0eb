/**
 * How a lead's answer to `attach` begins: the generation's submit as bytes in `part` frames, its length first, so that the asker
 * holds a full copy again before the first token. Pure.
 */
import { ByteReader } from "../bytes/byte-reader.ts";
import { joinedBytes } from "../bytes/joined-bytes.ts";
import { ServingError } from "../errors.ts";
import { answerFrames } from "./answer-codec.ts";
import type { GenerationSubmit } from "./generation.ts";
import { decodeSubmit, encodeSubmit, SUBMIT_BYTES_MAX } from "./submit-codec.ts";

const LENGTH_BYTES = 4;

export function headFrames(body: GenerationSubmit): readonly Uint8Array[] {
  const submit = encodeSubmit({ session: "", number: 0, body });
  const bytes = new Uint8Array(LENGTH_BYTES + submit.byteLength);
  new DataView(bytes.buffer).setUint32(0, submit.byteLength, true);
  bytes.set(submit, LENGTH_BYTES);
  return answerFrames({ kind: "part", bytes });
}

export class HeadAssembler {
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  /** @returns the submit when `part` completes it. @throws ServingError INVALID_ARGUMENT */
  push(part: Uint8Array): GenerationSubmit | undefined {
    this.#parts.push(part);
    this.#bytes += part.byteLength;
    const [first] = this.#parts;
    const length = first === undefined ? 0 : new ByteReader(first, "an attached generation").u32();
    if (length > SUBMIT_BYTES_MAX || this.#bytes > length + LENGTH_BYTES) throw unfit();
    if (this.#bytes < length + LENGTH_BYTES) return undefined;
    const { body } = decodeSubmit(joinedBytes(this.#parts, this.#bytes).subarray(LENGTH_BYTES));
    if (body.kind !== "generate") throw unfit();
    return body;
  }
}

const unfit = () => new ServingError("INVALID_ARGUMENT", "an attached generation does not begin with its submit");
