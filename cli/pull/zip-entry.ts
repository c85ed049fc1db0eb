/**
 * Reads one entry of a zip archive as a stream: stored or deflated, sizes and offsets below 4 GiB (no zip64), no encryption.
 * Source of the format: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
 */
import type { FileHandle } from "node:fs/promises";
import { pipeline } from "node:stream";
import { crc32, createInflateRaw } from "node:zlib";
import { ServingError } from "../../core/errors.ts";

export interface ZipEntry {
  readonly name: string;
  /** Uncompressed. */
  readonly bytes: number;
  /** The content; ends with DATA_LOSS when size or checksum are not what the archive says. */
  content(): AsyncIterable<Uint8Array>;
}

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 65_535;
const DIRECTORY_SIGNATURE = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const DIRECTORY_BYTES_MAX = 16 * 1024 * 1024;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const ZIP64_MARK = 0xffff_ffff;
const STORED = 0;
const DEFLATED = 8;
const CHUNK_BYTES = 256 * 1024;

interface DirectoryEntry {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly localOffset: number;
}

/**
 * Finds the entry called `name`. The archive stays open and the caller's.
 * @throws ServingError DATA_LOSS when this is no readable zip archive, NOT_FOUND when it has no such entry
 */
export async function openZipEntry(archive: FileHandle, name: string): Promise<ZipEntry> {
  const directory = await readDirectory(archive);
  const entry = directory.find((candidate) => candidate.name === name);
  if (entry === undefined) throw new ServingError("NOT_FOUND", `the archive has no entry '${name}'`);
  if ((entry.flags & 1) !== 0) throw broken(`entry '${name}' is encrypted`);
  if (entry.method !== STORED && entry.method !== DEFLATED) throw broken(`entry '${name}' is packed by method ${entry.method}`);
  const local = await readExactly(archive, entry.localOffset, LOCAL_BYTES);
  if (local.readUInt32LE(0) !== LOCAL_SIGNATURE) throw broken(`entry '${name}' is not where the directory says`);
  const start = entry.localOffset + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28);
  return { name, bytes: entry.bytes, content: () => checked(entry, unpacked(archive, entry, start)) };
}

async function readDirectory(archive: FileHandle): Promise<DirectoryEntry[]> {
  const { size } = await archive.stat();
  const tailBytes = Math.min(size, END_BYTES + COMMENT_BYTES_MAX);
  const tail = await readExactly(archive, size - tailBytes, tailBytes);
  const end = endRecord(tail);
  if (end === undefined) throw broken("it has no end record; it is no zip archive, or cut short");
  const bytes = end.readUInt32LE(12);
  const offset = end.readUInt32LE(16);
  if (bytes === ZIP64_MARK || offset === ZIP64_MARK) throw broken("it is a zip64 archive");
  if (bytes > DIRECTORY_BYTES_MAX) throw broken(`its directory has ${bytes} bytes, at most ${DIRECTORY_BYTES_MAX}`);
  return directoryEntries(await readExactly(archive, offset, bytes));
}

/** The last end record whose comment reaches exactly to the end of the file. */
function endRecord(tail: Buffer): Buffer | undefined {
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) === END_SIGNATURE && at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length) return tail.subarray(at);
  }
  return undefined;
}

function directoryEntries(directory: Buffer): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at < directory.length; ) {
    if (at + DIRECTORY_ENTRY_BYTES > directory.length || directory.readUInt32LE(at) !== DIRECTORY_SIGNATURE) {
      throw broken("its directory cannot be read");
    }
    const nameBytes = directory.readUInt16LE(at + 28);
    entries.push({
      flags: directory.readUInt16LE(at + 8),
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      compressedBytes: directory.readUInt32LE(at + 20),
      bytes: directory.readUInt32LE(at + 24),
      localOffset: directory.readUInt32LE(at + 42),
      name: directory.toString("utf8", at + DIRECTORY_ENTRY_BYTES, at + DIRECTORY_ENTRY_BYTES + nameBytes),
    });
    at += DIRECTORY_ENTRY_BYTES + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

function unpacked(archive: FileHandle, entry: DirectoryEntry, start: number): AsyncIterable<Uint8Array> {
  if (entry.compressedBytes === 0) return emptyStream();
  const end = start + entry.compressedBytes - 1; // inclusive
  const packed = archive.createReadStream({ start, end, autoClose: false, highWaterMark: CHUNK_BYTES });
  if (entry.method === STORED) return packed;
  // The iterating side gets every error of either stream; the callback has nothing to add.
  return pipeline(packed, createInflateRaw({ chunkSize: CHUNK_BYTES }), () => {});
}

async function* emptyStream(): AsyncIterable<Uint8Array> {}

async function* checked(entry: DirectoryEntry, content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let bytes = 0;
  let crc = 0;
  try {
    for await (const chunk of content) {
      bytes += chunk.length;
      if (bytes > entry.bytes) break;
      crc = crc32(chunk, crc);
      yield chunk;
    }
  } catch (cause) {
    throw broken(`entry '${entry.name}' cannot be unpacked`, cause);
  }
  if (bytes !== entry.bytes) throw broken(`entry '${entry.name}' is not ${entry.bytes} bytes long`);
  if (crc !== entry.crc) throw broken(`entry '${entry.name}' does not match its checksum`);
}

async function readExactly(archive: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await archive.read(buffer, 0, length, offset);
  if (bytesRead !== length) throw broken("it ends too early");
  return buffer;
}

const broken = (what: string, cause?: unknown) => new ServingError("DATA_LOSS", `the archive cannot be used: ${what}`, { cause });
