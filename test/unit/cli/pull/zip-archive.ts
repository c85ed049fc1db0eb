/** Makes zip archives for tests, right ones and damaged ones. */
import { crc32, deflateRawSync } from "node:zlib";

export interface ArchiveEntry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly method?: "stored" | "deflated";
  /** What the directory says instead of the truth. */
  readonly claims?: { readonly crc?: number; readonly bytes?: number; readonly flags?: number; readonly method?: number };
}

export function zipArchive(entries: readonly ArchiveEntry[], comment = ""): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, method = "deflated", claims = {} } of entries) {
    const packed = method === "stored" ? Buffer.from(content) : deflateRawSync(content);
    const nameBytes = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(nameBytes.length, 26);
    local.writeUInt16LE(4, 28); // an extra field that the directory does not have, as some writers do
    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(claims.flags ?? 0, 8);
    record.writeUInt16LE(claims.method ?? (method === "stored" ? 0 : 8), 10);
    record.writeUInt32LE(claims.crc ?? crc32(content), 16);
    record.writeUInt32LE(packed.length, 20);
    record.writeUInt32LE(claims.bytes ?? content.length, 24);
    record.writeUInt16LE(nameBytes.length, 28);
    record.writeUInt32LE(offset, 42);
    parts.push(local, nameBytes, Buffer.alloc(4), packed);
    directory.push(record, nameBytes);
    offset += local.length + nameBytes.length + 4 + packed.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(Buffer.byteLength(comment), 20);
  return Buffer.concat([...parts, listed, end, Buffer.from(comment)]);
}
