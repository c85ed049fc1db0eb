/** Fills a shard's weight file piece by piece: what is in memory at a time does not depend on the model's size. */
import type { FileHandle } from "node:fs/promises";
import type { Filling } from "../graph/shard-graph.ts";
import { encodeRows } from "../quantize/encode-rows.ts";
import { bytesOf } from "../quantize/tensor-type.ts";
import { rowBytes } from "../quantize/weight-format.ts";
import type { CheckpointTensor } from "../sources/checkpoint.ts";

const PIECE_BYTES = 4 * 1024 * 1024;

/**
 * @param onBytes called with the number of bytes written, after each piece
 * @throws the signal's reason when it aborts between pieces
 */
export async function writeWeights(
  file: FileHandle,
  fillings: readonly Filling[],
  options: { readonly onBytes: (bytes: number) => void; readonly signal: AbortSignal },
): Promise<void> {
  for (const filling of fillings) {
    if (filling.kind === "rows") await writeRows(file, filling, options);
    else await writePieces(file, filling, options);
  }
}

type WriteOptions = Parameters<typeof writeWeights>[2];

async function writePieces(file: FileHandle, filling: Filling & { kind: "pieces" }, { onBytes, signal }: WriteOptions): Promise<void> {
  let position = filling.offset;
  for (const piece of filling.pieces()) {
    signal.throwIfAborted();
    await writeFully(file, piece, position);
    position += piece.length;
    onBytes(piece.length);
  }
}

/** Reads the next rows while the present ones are encoded and written. */
async function writeRows(file: FileHandle, filling: Filling & { kind: "rows" }, { onBytes, signal }: WriteOptions): Promise<void> {
  const { tensor, format, place } = filling;
  const target = rowBytes(format, tensor.columns);
  const step = rowsPerPiece(tensor, target.data);
  const read = (firstRow: number) => tensor.readRows(firstRow, Math.min(firstRow + step, tensor.rows));
  let next = read(0);
  for (let row = 0; row < tensor.rows; row += step) {
    const bytes = await next;
    signal.throwIfAborted();
    if (row + step < tensor.rows) {
      next = read(row + step);
      next.catch(() => {}); // awaited in the next turn; until then a failure is not unhandled
    }
    const encoded = encodeRows(tensor.type, bytes, format);
    await writeFully(file, encoded.data, place.data + row * target.data);
    await writeFully(file, encoded.scales, place.scales + row * target.scales);
    await writeFully(file, encoded.corrections, place.corrections + row * target.corrections);
    onBytes(encoded.data.length + encoded.scales.length + encoded.corrections.length);
  }
}

function rowsPerPiece(tensor: CheckpointTensor, targetRowBytes: number): number {
  const bytesPerRow = Math.max(targetRowBytes, bytesOf(tensor.type, tensor.columns));
  return Math.max(1, Math.floor(PIECE_BYTES / bytesPerRow / tensor.rowsAlignment)) * tensor.rowsAlignment;
}

async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
