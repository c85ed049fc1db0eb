/**
 * What a gateway asks of an agent as bytes, for the bus and, in frames (`submit-frames.ts`), for the link. Pure.
 *
 * Integers are little-endian.
 */

import { ByteReader } from "../bytes/byte-reader.ts";
import { ByteWriter } from "../bytes/byte-writer.ts";
import { ServingError } from "../errors.ts";
import type { Submit, SubmitBody } from "./generation.ts";
import { generationBytes, readAttach, readGeneration, writeAttach, writeGeneration } from "./generation-submit-codec.ts";
import { inferBytes, readInfer, writeInfer } from "./infer-codec.ts";

const FORM = 3;
const BODY = { generate: 1, textBundle: 2, infer: 3, statistics: 4, watch: 5, control: 6, attach: 7, files: 8 } as const;

/** The largest body that a door takes, and room for names and shapes. */
export const SUBMIT_BYTES_MAX = 72 * 1024 * 1024;

/** @throws ServingError RESOURCE_EXHAUSTED when the body is too large for any link. */
export function encodeSubmit({ session, number, body }: Submit): Uint8Array {
  const writer = new ByteWriter(expectedBytes(body));
  writer.u8(FORM);
  writer.text(session);
  writer.f64(number);
  switch (body.kind) {
    case "generate":
      writer.u8(BODY.generate);
      writeGeneration(writer, body);
      break;
    case "attach":
      writer.u8(BODY.attach);
      writeAttach(writer, body);
      break;
    case "text-bundle":
      writer.u8(BODY.textBundle);
      writer.text(body.digest);
      break;
    case "infer":
      writer.u8(BODY.infer);
      writeInfer(writer, body);
      break;
    case "statistics":
      writer.u8(BODY.statistics);
      writer.text(body.model);
      break;
    case "watch":
      writer.u8(BODY.watch);
      break;
    case "control":
      writer.u8(BODY.control);
      writer.bytes(body.control);
      break;
    case "files":
      writer.u8(BODY.files);
      writer.bytes(body.request);
      break;
  }
  const bytes = writer.finish();
  if (bytes.byteLength > SUBMIT_BYTES_MAX) {
    throw new ServingError("RESOURCE_EXHAUSTED", `a submit of ${bytes.byteLength} bytes is over the limit of ${SUBMIT_BYTES_MAX}`);
  }
  return bytes;
}

/** @throws ServingError INVALID_ARGUMENT */
export function decodeSubmit(bytes: Uint8Array): Submit {
  const reader = new ByteReader(bytes, "a submit");
  if (reader.u8() !== FORM) reader.fail("is of another version");
  const session = reader.text();
  const number = reader.finite();
  if (!Number.isSafeInteger(number) || number < 0) reader.fail("has a stream number that is none");
  const body = readBody(reader);
  reader.end();
  return { session, number, body };
}

function expectedBytes(body: SubmitBody): number {
  switch (body.kind) {
    case "generate":
      return 384 + generationBytes(body);
    case "infer":
      return 384 + inferBytes(body);
    case "attach":
    case "text-bundle":
    case "statistics":
    case "watch":
    case "files":
      return 192;
    case "control":
      return 192 + body.control.byteLength;
  }
}

function readBody(reader: ByteReader): SubmitBody {
  const kind = reader.u8();
  if (kind === BODY.generate) return readGeneration(reader);
  if (kind === BODY.attach) return readAttach(reader);
  if (kind === BODY.textBundle) return { kind: "text-bundle", digest: reader.text() };
  if (kind === BODY.infer) return readInfer(reader);
  if (kind === BODY.statistics) return { kind: "statistics", model: reader.text() };
  if (kind === BODY.watch) return { kind: "watch" };
  if (kind === BODY.control) return { kind: "control", control: reader.rest() };
  if (kind === BODY.files) return { kind: "files", request: reader.rest() };
  return reader.fail(`is of the unknown kind ${kind}`);
}
