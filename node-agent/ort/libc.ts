/**
 * What Node does not offer of the C library, on Linux: memory whose pages can be given back, and mapped at several addresses; dying
 * with a parent; threads that wait for idle cores.
 */
import koffi from "koffi";

export interface LibC {
  /** Private, zeroed, readable and writable; undefined when there is not so much address space. */
  mapAnonymous(byteLength: number): bigint | undefined;
  unmap(address: bigint, byteLength: number): void;
  /** The pages' memory goes back to the system; they read as zeros from now on. Both numbers are multiples of the page size. */
  discard(address: bigint, byteLength: number): void;
  /** Zeros in a file that has no name and lives in memory alone; undefined when the system refuses. Its pages cost memory once written. */
  createMemoryFile(byteLength: number): number | undefined;
  /** The pages of the whole file, readable and writable; undefined when there is not so much address space. */
  mapFile(file: number, byteLength: number): bigint | undefined;
  /** A part of the file in the place of what is mapped at `address`. All numbers are multiples of the page size. @returns whether it could be */
  mapFileAt(address: bigint, part: FilePart): boolean;
  /** The part's memory goes back to the system, wherever it is mapped; it reads as zeros from now on. */
  discardFile(part: FilePart): void;
  closeFile(file: number): void;
  /** Address space alone, for `mapFileAt`; undefined when there is not so much. */
  reserve(byteLength: number): bigint | undefined;
  /** What is mapped there is there no more; the address space stays reserved. */
  unmapReserved(address: bigint, byteLength: number): void;
  /** The system kills this process when the thread that started it ends. */
  dieWithParent(): void;
  /** Whether the thread gets a core only where nobody else wants it; 0 is the one that calls. Leaves its niceness as it is. */
  setIdle(thread: number, idle: boolean): void;
  view(address: bigint, byteLength: number): ArrayBuffer;
}

export interface FilePart {
  readonly file: number;
  readonly byteOffset: number;
  readonly byteLength: number;
}

const PROT_NONE = 0;
const PROT_READ_WRITE = 3;
const MAP_SHARED_NORESERVE = 0x4001;
const MAP_FIXED = 0x10;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;
const MAP_FAILED = 2n ** 64n - 1n;
const MADV_DONTNEED = 4;
const MFD_CLOEXEC = 1;
const FALLOC_KEEP_SIZE_PUNCH_HOLE = 3;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const SCHED_OTHER = 0;
const SCHED_IDLE = 5;
/** A `sched_param`, which has no other priority with these policies. */
const NO_PRIORITY = Int32Array.of(0);

let linked: LibC | undefined;

/** undefined on other systems than Linux. */
export function linuxLibC(): LibC | undefined {
  if (process.platform !== "linux") return undefined;
  linked ??= link();
  return linked;
}

function link(): LibC {
  const library = koffi.load(null); // Node itself is linked to the C library, whichever it is
  const mmap = library.func("void* mmap(void*, size_t, int, int, int, int64_t)");
  const munmap = library.func("int munmap(void*, size_t)");
  const madvise = library.func("int madvise(void*, size_t, int)");
  const memfdCreate = library.func("int memfd_create(const char*, unsigned int)");
  const ftruncate = library.func("int ftruncate(int, int64_t)");
  const fallocate = library.func("int fallocate(int, int, int64_t, int64_t)");
  const close = library.func("int close(int)");
  const mmapAt = library.func("void* mmap(int64_t, size_t, int, int, int, int64_t)");
  const schedSetscheduler = library.func("int sched_setscheduler(int, int, const int*)");
  const prctl = library.func("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)");
  return {
    mapAnonymous(byteLength) {
      return mapped(mmap(null, byteLength, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0));
    },
    unmap: (address, byteLength) => munmap(address, byteLength),
    discard: (address, byteLength) => madvise(address, byteLength, MADV_DONTNEED),
    createMemoryFile(byteLength) {
      const file: number = memfdCreate("nereid", MFD_CLOEXEC);
      if (file < 0) return undefined;
      if (ftruncate(file, byteLength) === 0) return file;
      close(file);
      return undefined;
    },
    mapFile: (file, byteLength) => mapped(mmap(null, byteLength, PROT_READ_WRITE, MAP_SHARED_NORESERVE, file, 0)),
    mapFileAt: (address, { file, byteOffset, byteLength }) =>
      mapped(mmapAt(address, byteLength, PROT_READ_WRITE, MAP_SHARED_NORESERVE | MAP_FIXED, file, byteOffset)) !== undefined,
    discardFile: ({ file, byteOffset, byteLength }) => fallocate(file, FALLOC_KEEP_SIZE_PUNCH_HOLE, byteOffset, byteLength),
    closeFile: (file) => close(file),
    reserve: (byteLength) => mapped(mmap(null, byteLength, PROT_NONE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0)),
    unmapReserved: (address, byteLength) => mmapAt(address, byteLength, PROT_NONE, MAP_PRIVATE_ANONYMOUS_NORESERVE | MAP_FIXED, -1, 0),
    dieWithParent: () => prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0),
    setIdle: (thread, idle) => schedSetscheduler(thread, idle ? SCHED_IDLE : SCHED_OTHER, NO_PRIORITY),
    view: (address, byteLength) => koffi.view(address, byteLength),
  };
}

const mapped = (address: bigint): bigint | undefined => (address === MAP_FAILED ? undefined : address);
