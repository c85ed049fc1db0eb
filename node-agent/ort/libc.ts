/** What Node does not offer of the C library, on Linux: anonymous memory whose pages can be given back, and dying with a parent. */
import koffi from "koffi";

export interface LibC {
  /** Private, zeroed, readable and writable; undefined when there is not so much address space. */
  mapAnonymous(byteLength: number): bigint | undefined;
  unmap(address: bigint, byteLength: number): void;
  /** The pages' memory goes back to the system; they read as zeros from now on. Both numbers are multiples of the page size. */
  discard(address: bigint, byteLength: number): void;
  /** The system kills this process when the thread that started it ends. */
  dieWithParent(): void;
  view(address: bigint, byteLength: number): ArrayBuffer;
}

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;
const MAP_FAILED = 2n ** 64n - 1n;
const MADV_DONTNEED = 4;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

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
  const prctl = library.func("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)");
  return {
    mapAnonymous(byteLength) {
      const address: bigint = mmap(null, byteLength, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
      return address === MAP_FAILED ? undefined : address;
    },
    unmap: (address, byteLength) => munmap(address, byteLength),
    discard: (address, byteLength) => madvise(address, byteLength, MADV_DONTNEED),
    dieWithParent: () => prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0),
    view: (address, byteLength) => koffi.view(address, byteLength),
  };
}
