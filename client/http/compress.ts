/** Compresses bodies with what every run-time has. */
import type { Compression } from "../client.ts";

/** `deflate` is the zlib format, as HTTP means it. */
export async function compressed(bytes: Uint8Array<ArrayBuffer>, compression: Compression): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream(compression));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
