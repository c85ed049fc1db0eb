/**
 * System shared memory that clients on this machine have registered: POSIX objects, which on Linux are files below /dev/shm. They
 * are read and written through their descriptors, which the kernel keeps coherent with the clients' mappings.
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { ServingError } from "../../core/errors.ts";
import type { SharedRange } from "./infer/infer-head.ts";
import { internal, invalid } from "./triton-error.ts";

/** Each takes a descriptor. */
const REGIONS_MAX = 1_024;
const FOLDER = "/dev/shm";
/** Triton's Python backend talks to its models through regions of this name. */
const RESERVED_PREFIX = "triton_python_backend_shm_region_";

export interface RegionStatus {
  readonly name: string;
  readonly key: string;
  readonly offset: number;
  readonly byteSize: number;
}

/** A region in use: unregistering it takes effect once the last lease is given back. */
export interface RegionLease extends Disposable {
  /** Copies the range. */
  read(): Uint8Array;
  /** @param data at most the range's bytes */
  write(data: Uint8Array): void;
}

interface Region extends RegionStatus {
  readonly descriptor: number;
  leases: number;
  registered: boolean;
}

export class SharedMemoryRegions implements Disposable {
  readonly #regions = new Map<string, Region>();
  readonly #allowed: boolean;

  /** @param allowed as `--allow-client-shm` says: whether clients may register and use regions at all */
  constructor({ allowed }: { readonly allowed: boolean }) {
    this.#allowed = allowed;
  }

  /** @throws ServingError UNIMPLEMENTED with Triton's text */
  checkAllowed(): void {
    if (this.#allowed) return;
    const remedy = "Start the server with '--allow-client-shm=true' to enable.";
    throw new ServingError("UNIMPLEMENTED", `Client shared memory is disabled. ${remedy}`);
  }

  /** @throws ServingError UNIMPLEMENTED, ALREADY_EXISTS, INTERNAL where it cannot be opened, INVALID_ARGUMENT */
  register({ name, key, offset, byteSize }: RegionStatus): void {
    this.checkAllowed();
    if (this.#regions.has(name)) throw new ServingError("ALREADY_EXISTS", `shared memory region '${name}' already in manager`);
    if (isReserved(name) || isReserved(key.replace(/^\//, ""))) {
      throw invalid(`failed to register shared memory region '${name}': names that begin with '${RESERVED_PREFIX}' are reserved`);
    }
    if (this.#regions.size >= REGIONS_MAX) {
      throw new ServingError("RESOURCE_EXHAUSTED", `${REGIONS_MAX} shared memory regions are registered: unregister one first`);
    }
    const descriptor = openObject(key);
    const held = fstatSync(descriptor);
    if (!held.isFile() || byteSize === 0 || offset + byteSize > held.size) {
      closeSync(descriptor);
      throw invalid(`failed to register shared memory region '${name}': invalid args`);
    }
    this.#regions.set(name, { name, key, offset, byteSize, descriptor, leases: 0, registered: true });
  }

  /** @param name undefined: all @throws ServingError NOT_FOUND */
  status(name: string | undefined): readonly RegionStatus[] {
    if (name === undefined) return [...this.#regions.values()];
    const region = this.#regions.get(name);
    if (region === undefined) throw new ServingError("NOT_FOUND", `Unable to find system shared memory region: '${name}'`);
    return [region];
  }

  /** @param name undefined: all; a name that is not registered is no mistake */
  unregister(name: string | undefined): void {
    this.checkAllowed();
    const gone = name === undefined ? [...this.#regions.values()] : [this.#regions.get(name)];
    for (const region of gone) if (region !== undefined) this.#drop(region);
  }

  /** @throws ServingError UNIMPLEMENTED, NOT_FOUND for a region that is not registered, INVALID_ARGUMENT for a range outside of it */
  lease({ region: name, offset, bytes }: SharedRange): RegionLease {
    this.checkAllowed();
    const region = this.#regions.get(name);
    if (region === undefined) throw new ServingError("NOT_FOUND", `Unable to find shared memory region: '${name}'`);
    if (offset >= region.byteSize) throw invalid(`Invalid offset for shared memory region: '${name}'`);
    if (offset + bytes > region.byteSize) throw invalid(`Invalid offset + byte size for shared memory region: '${name}'`);
    region.leases++;
    const start = region.offset + offset;
    return {
      read: () => readAt(region, start, bytes),
      write: (data) => writeAt(region, start, data),
      [Symbol.dispose]: () => {
        region.leases--;
        closeUnused(region);
      },
    };
  }

  [Symbol.dispose](): void {
    for (const region of [...this.#regions.values()]) this.#drop(region);
  }

  #drop(region: Region): void {
    this.#regions.delete(region.name);
    region.registered = false;
    closeUnused(region);
  }
}

function isReserved(name: string): boolean {
  return name.startsWith(RESERVED_PREFIX);
}

function closeUnused(region: Region): void {
  if (!region.registered && region.leases === 0) closeSync(region.descriptor);
}

/** A key is one name: it leads nowhere else, neither by folders nor by links. */
function openObject(key: string): number {
  const name = key.replace(/^\//, "");
  const failed = internal(`Unable to open shared memory region: '${key}'`);
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) throw failed;
  try {
    return openSync(`${FOLDER}/${name}`, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    throw failed;
  }
}

function readAt({ name, descriptor }: Region, start: number, bytes: number): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let filled = 0; filled < bytes; ) {
    const count = readSync(descriptor, data, filled, bytes - filled, start + filled);
    if (count === 0) throw invalid(`Invalid offset + byte size for shared memory region: '${name}'`); // it has shrunk
    filled += count;
  }
  return data;
}

function writeAt({ descriptor }: Region, start: number, data: Uint8Array): void {
  for (let written = 0; written < data.byteLength; ) {
    written += writeSync(descriptor, data, written, data.byteLength - written, start + written);
  }
}
