/** Compression of single messages. What is inflated has a limit that holds while it grows. */
import { promisify } from "node:util";
import { deflate, gunzip, gzip, inflate } from "node:zlib";
import { ServingError } from "../../core/errors.ts";
import { tooLarge } from "./message-reader.ts";
import type { Message } from "./method.ts";

export type Encoding = "identity" | "gzip" | "deflate";

/** As Triton's `--grpc-infer-response-compression-level`. */
export type CompressionLevel = "none" | "low" | "medium" | "high";

export const ACCEPTED_ENCODINGS = "identity,deflate,gzip";

const ZLIB_LEVEL = { low: 1, medium: 6, high: 9 } as const;
/** Below this, compressing costs more than it saves. */
const COMPRESSED_FROM_BYTES = 1024;

/** Inflated at a time: small, or every small message takes this much for a moment; Node's 16 KiB make large ones slow. */
const CHUNK_BYTES = 64 * 1024;

const INFLATE = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;
const DEFLATE = { gzip: promisify(gzip), deflate: promisify(deflate) } as const;

/** What a client's messages are compressed with. @throws ServingError UNIMPLEMENTED for what is unknown. */
export function requestEncoding(header: string | undefined): Encoding {
  switch (header) {
    case undefined:
    case "identity":
      return "identity";
    case "gzip":
    case "deflate":
      return header;
    default:
      throw new ServingError("UNIMPLEMENTED", `grpc-encoding '${header.slice(0, 40)}' is not supported: use ${ACCEPTED_ENCODINGS}`);
  }
}

/** The first of gzip and deflate that the client takes. */
export function responseEncoding(accepted: string | undefined): Encoding {
  const names = (accepted ?? "").split(",").map((name) => name.trim());
  if (names.includes("gzip")) return "gzip";
  return names.includes("deflate") ? "deflate" : "identity";
}

/**
 * @throws ServingError RESOURCE_EXHAUSTED as soon as more than `bytesMax` come out; INTERNAL for bytes that are not compressed so.
 */
export async function inflated(bytes: Uint8Array, encoding: Encoding, bytesMax: number): Promise<Uint8Array> {
  if (encoding === "identity") throw new ServingError("INTERNAL", "a message is compressed, but grpc-encoding names no way how");
  if (bytes.byteLength === 0) return bytes;
  try {
    const { buffer, byteOffset, byteLength } = await INFLATE[encoding](bytes, { maxOutputLength: bytesMax, chunkSize: CHUNK_BYTES });
    return new Uint8Array(buffer, byteOffset, byteLength); // no Buffer: its `slice` copies nothing
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(undefined, bytesMax);
    throw new ServingError("INTERNAL", `a message is not compressed as its grpc-encoding '${encoding}' says`, { cause: thrown });
  }
}

/** undefined: it stays as it is. */
export async function compressed(message: Message, encoding: Encoding, level: CompressionLevel): Promise<Uint8Array | undefined> {
  if (encoding === "identity" || level === "none") return undefined;
  const byteLength = message.reduce((sum, { byteLength: bytes }) => sum + bytes, 0);
  return byteLength < COMPRESSED_FROM_BYTES ? undefined : DEFLATE[encoding](Buffer.concat(message), { level: ZLIB_LEVEL[level] });
}
