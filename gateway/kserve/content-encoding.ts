/** Compressed bodies, both ways: gzip and deflate (a zlib stream), inflated no further than the limit. */
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { invalid } from "./triton-error.ts";

const CODECS = {
  gzip: { inflate: promisify(zlib.gunzip), deflate: promisify(zlib.gzip) },
  deflate: { inflate: promisify(zlib.inflate), deflate: promisify(zlib.deflate) },
} as const;

export type Encoding = keyof typeof CODECS;

/** What this server takes, for the answer to a client that sent something else. */
export const ENCODINGS = Object.keys(CODECS).join(", ");

function isEncoding(name: string): name is Encoding {
  return Object.hasOwn(CODECS, name);
}

export type RequestEncoding = Encoding | "identity" | "unknown";

/** @param header `Content-Encoding` */
export function requestEncoding(header: string | undefined): RequestEncoding {
  const name = header?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return "identity";
  return isEncoding(name) ? name : "unknown";
}

/**
 * The encoding of the highest weight, the first on ties; identity weighs nothing unless it is named.
 * @param header `Accept-Encoding`; names that it does not know, `*` among them, are passed over
 */
export function responseEncoding(header: string | undefined): Encoding | "identity" {
  let best: Encoding | "identity" = "identity";
  let weightMax = 0;
  for (const part of header?.split(",") ?? []) {
    const [name = "", ...parameters] = part.split(";").map((word) => word.trim().toLowerCase());
    if (name !== "identity" && !isEncoding(name)) continue;
    const quality = parameters.find((parameter) => /^q\s*=/.test(parameter));
    const weight = quality === undefined ? 1 : Number.parseFloat(quality.slice(quality.indexOf("=") + 1)) || 0;
    if (weight > weightMax) [best, weightMax] = [name, weight];
  }
  return best;
}

/** @throws ServingError INVALID_ARGUMENT when it is not so compressed, or becomes larger than `bytesMax`, before memory is taken for that */
export async function inflate(encoding: Encoding, bytes: Uint8Array, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const inflated = await CODECS[encoding].inflate(bytes, { maxOutputLength: bytesMax });
    return new Uint8Array(inflated.buffer, inflated.byteOffset, inflated.byteLength); // no Buffer: its slice() would be a view
  } catch (thrown) {
    const isTooLarge = thrown instanceof Error && "code" in thrown && thrown.code === "ERR_BUFFER_TOO_LARGE";
    if (!isTooLarge) throw invalid(`failed to decompress the request body: it is not ${encoding}`);
    const limit = `Decompressed data size exceeds the maximum allowed value of ${bytesMax} bytes.`;
    throw invalid(`${limit} Use --http-max-input-size to increase the limit.`);
  }
}

export function deflate(encoding: Encoding, bytes: string | Uint8Array): Promise<Uint8Array> {
  return CODECS[encoding].deflate(bytes);
}
