/** Regions of system shared memory: real objects below /dev/shm. */
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { SharedMemoryRegions } from "../../../../gateway/kserve/shared-memory.ts";

const FOLDER = "/dev/shm";
const made: string[] = [];

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { force: true });
});

function object(bytes: readonly number[]): string {
  const key = `/nereid-test-${randomUUID()}`;
  made.push(FOLDER + key);
  writeFileSync(FOLDER + key, Uint8Array.from(bytes));
  return key;
}

const region = (name: string, key: string, offset = 0, byteSize = 4) => ({ name, key, offset, byteSize });

describe("a registered region", () => {
  test("is read and written where it lies in the object", () => {
    using regions = new SharedMemoryRegions({ allowed: true });
    const key = object([1, 2, 3, 4, 5, 6, 7, 8]);
    regions.register(region("r", key, 2));
    using lease = regions.lease({ region: "r", offset: 1, bytes: 3 });
    expect(lease.read()).toEqual(Uint8Array.of(4, 5, 6));
    lease.write(Uint8Array.of(0, 0));
    expect([...readFileSync(FOLDER + key)]).toEqual([1, 2, 3, 0, 0, 6, 7, 8]);
    expect(regions.status(undefined)).toMatchObject([region("r", key, 2)]);
  });

  test("is in use until its last lease ends, whatever is unregistered meanwhile", () => {
    using regions = new SharedMemoryRegions({ allowed: true });
    const key = object([1, 2, 3, 4]);
    regions.register(region("r", key));
    const lease = regions.lease({ region: "r", offset: 0, bytes: 4 });
    regions.unregister(undefined);
    regions.register(region("r", object([9, 9, 9, 9])));
    expect(lease.read()).toEqual(Uint8Array.of(1, 2, 3, 4));
    lease[Symbol.dispose]();
    expect(() => lease.read()).toThrow();
    regions.unregister("r");
    regions.unregister("r");
    expect(regions.status(undefined)).toEqual([]);
  });
});

describe("refused are", () => {
  test("ranges outside of the region", () => {
    using regions = new SharedMemoryRegions({ allowed: true });
    regions.register(region("r", object([1, 2, 3, 4, 5])));
    expect(() => regions.lease({ region: "r", offset: 4, bytes: 0 })).toThrow("Invalid offset for shared memory region: 'r'");
    expect(() => regions.lease({ region: "r", offset: 2, bytes: 3 })).toThrow("Invalid offset + byte size for shared memory region: 'r'");
    expect(() => regions.lease({ region: "q", offset: 0, bytes: 1 })).toThrow(
      expect.objectContaining({ code: "NOT_FOUND", message: "Unable to find shared memory region: 'q'" }),
    );
  });

  test("names that are taken or reserved, and regions beyond the object", () => {
    using regions = new SharedMemoryRegions({ allowed: true });
    const key = object([1, 2, 3, 4]);
    regions.register(region("r", key));
    expect(() => regions.register(region("r", key))).toThrow(
      expect.objectContaining({ code: "ALREADY_EXISTS", message: "shared memory region 'r' already in manager" }),
    );
    expect(() => regions.register(region("s", key, 1))).toThrow("failed to register shared memory region 's': invalid args");
    expect(() => regions.register(region("triton_python_backend_shm_region_1", key))).toThrow("are reserved");
    expect(() => regions.register(region("s", "/triton_python_backend_shm_region_1"))).toThrow("are reserved");
    expect(() => regions.status("nope")).toThrow("Unable to find system shared memory region: 'nope'");
  });

  test.each(["/nope", "", "/", "/..", "/../../etc/hostname", "/a/b", "a\0b"])("the key %j, which names no object of its own", (key) => {
    using regions = new SharedMemoryRegions({ allowed: true });
    expect(() => regions.register(region("r", key))).toThrow(
      expect.objectContaining({ code: "INTERNAL", message: `Unable to open shared memory region: '${key}'` }),
    );
  });

  test("links", () => {
    using regions = new SharedMemoryRegions({ allowed: true });
    const link = `/nereid-test-${randomUUID()}`;
    made.push(FOLDER + link);
    symlinkSync(FOLDER + object([1, 2, 3, 4]), FOLDER + link);
    expect(() => regions.register(region("r", link))).toThrow("Unable to open shared memory region");
  });

  test("all of them unless clients are allowed to share memory", () => {
    using regions = new SharedMemoryRegions({ allowed: false });
    const disabled = expect.objectContaining({
      code: "UNIMPLEMENTED",
      message: "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.",
    });
    expect(() => regions.register(region("r", "/x"))).toThrow(disabled);
    expect(() => regions.unregister(undefined)).toThrow(disabled);
    expect(() => regions.lease({ region: "r", offset: 0, bytes: 1 })).toThrow(disabled);
    expect(regions.status(undefined)).toEqual([]);
  });
});
