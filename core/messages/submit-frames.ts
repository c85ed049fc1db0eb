/**
 * What a gateway writes on a link's stream: a submit in parts, then what concerns the running answer. Pure.
 *
 * A frame's first byte says what it is: a part of a submit with more to come, the last part, or a cancel of one choice.
 */
import { ByteReader } from "../bytes/byte-reader.ts";
import { joinedBytes } from "../bytes/joined-bytes.ts";
import { pooledBytes } from "../bytes/pooled-bytes.ts";
import { ServingError } from "../errors.ts";
import { FRAME_BYTES_MAX } from "../link/link.ts";
import type { CancelChoice, Submit } from "./generation.ts";
import { decodeSubmit, SUBMIT_BYTES_MAX } from "./submit-codec.ts";

const FRAME = { more: 1, last: 2, cancelChoice: 3 } as const;

/** The frames that carry an encoded submit, or a call, over its link stream. */
export function submitFrames(submit: Uint8Array): readonly Uint8Array[] {
  const frames: Uint8Array[] = [];
  const partBytes = FRAME_BYTES_MAX - 1;
  for (let offset = 0; offset === 0 || offset < submit.byteLength; offset += partBytes) {
    const part = submit.subarray(offset, offset + partBytes);
    const frame = pooledBytes(part.byteLength + 1);
    frame[0] = offset + partBytes < submit.byteLength ? FRAME.more : FRAME.last;
    frame.set(part, 1);
    frames.push(frame);
  }
  return frames;
}

/** Puts the submit that opens a link stream together again. */
export class SubmitAssembler {
  readonly #frames = new FrameAssembler();

  /** @returns the submit when `frame` completes it. @throws ServingError INVALID_ARGUMENT */
  push(frame: Uint8Array): Submit | undefined {
    const bytes = this.#frames.push(frame);
    return bytes === undefined ? undefined : decodeSubmit(bytes);
  }
}

/** Puts what `submitFrames` has cut together again. */
export class FrameAssembler {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** @returns all the bytes when `frame` is the last. @throws ServingError INVALID_ARGUMENT */
  push(frame: Uint8Array): Uint8Array | undefined {
    const type = frame[0];
    if (type !== FRAME.more && type !== FRAME.last) {
      throw new ServingError("INVALID_ARGUMENT", `a stream begins with a frame of type ${type}, not with a submit`);
    }
    this.#parts.push(frame.subarray(1));
    this.#bytes += frame.byteLength - 1;
    if (this.#bytes > SUBMIT_BYTES_MAX) {
      throw new ServingError("INVALID_ARGUMENT", `a submit of more than ${SUBMIT_BYTES_MAX} bytes`);
    }
    if (type === FRAME.more) return undefined;
    const bytes = joinedBytes(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    return bytes;
  }
}

export function encodeCancelChoice({ choice }: CancelChoice): Uint8Array {
  return Uint8Array.of(FRAME.cancelChoice, choice);
}

/**
 * A frame that a gateway wrote on a running stream; undefined when it is a late copy of the submit, which came over the bus
 * first. @throws ServingError INVALID_ARGUMENT
 */
export function decodeCancelChoice(frame: Uint8Array): CancelChoice | undefined {
  const reader = new ByteReader(frame, "a gateway's frame");
  const type = reader.u8();
  if (type === FRAME.more || type === FRAME.last) return undefined;
  if (type !== FRAME.cancelChoice) reader.fail(`is of the unknown type ${type}`);
  const choice = reader.u8();
  reader.end();
  return { kind: "cancel-choice", choice };
}
