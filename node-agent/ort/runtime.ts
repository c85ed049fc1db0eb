/** ONNX Runtime in this process: its environment, and the funnel that every call passes, where errors become exceptions. */
import { ServingError } from "../../core/errors.ts";
import { type CApi, loadCApi, type NativeCall, type Pointer } from "./c-api.ts";
import { readableError } from "./error-text.ts";

const LOG_SEVERITY_ERROR = 3;
const ARENA_ALLOCATOR = 1;
const DEFAULT_MEMORY = 0;

/** Kinds of handles that somebody owns and must give back. */
export type HandleKind = "session" | "session options" | "value" | "binding" | "run options";

const RELEASE_OF = {
  session: "ReleaseSession",
  "session options": "ReleaseSessionOptions",
  value: "ReleaseValue",
  binding: "ReleaseIoBinding",
  "run options": "ReleaseRunOptions",
} as const satisfies Record<HandleKind, keyof CApi["releases"]>;

/** A native object with one owner. Disposing it twice is harmless; using it afterwards is not. */
export interface Handle extends Disposable {
  readonly pointer: Pointer;
}

export class OrtRuntime {
  readonly api: CApi;
  readonly environment: Pointer;
  readonly cpuMemory: Pointer;
  /** Of the runtime itself; lives as long as the process. */
  readonly allocator: Pointer;
  readonly #live = new Map<HandleKind, number>();

  private constructor(api: CApi) {
    this.api = api;
    this.environment = this.make(api.calls.CreateEnv, LOG_SEVERITY_ERROR, "nereid");
    this.cpuMemory = this.make(api.calls.CreateCpuMemoryInfo, ARENA_ALLOCATOR, DEFAULT_MEMORY);
    this.allocator = this.make(api.calls.GetAllocatorWithDefaultOptions);
  }

  /**
   * One per process is enough; the environment lives as long as the process.
   * @param libraryFile undefined: the library that the onnxruntime-node package carries
   * @throws ServingError FAILED_PRECONDITION when the library cannot be loaded
   */
  static open(libraryFile?: string): OrtRuntime {
    return new OrtRuntime(loadCApi(libraryFile));
  }

  get version(): string {
    return this.api.version;
  }

  /** Handles that are not yet given back: a count for tests and for the curious. */
  live(kind: HandleKind): number {
    return this.#live.get(kind) ?? 0;
  }

  /** @throws ServingError INTERNAL with the runtime's own words when the status is not success; it is freed either way. */
  check(status: Pointer | undefined): void {
    if (status === null || status === undefined) return;
    const message = this.api.errorMessage(status);
    this.api.releases.ReleaseStatus(status);
    throw new ServingError("INTERNAL", readableError(message), { reason: "onnx_runtime" });
  }

  /** Makes a call whose last argument is `T** out` and gives what it wrote there. */
  make(call: NativeCall, ...given: readonly unknown[]): Pointer {
    const out: [Pointer] = [null];
    this.check(call(...given, out));
    return out[0];
  }

  /** Makes a call that writes a size_t to the place it is given. */
  number(call: (out: BigUint64Array) => Pointer): number {
    const out = new BigUint64Array(1);
    this.check(call(out));
    return Number(out[0]);
  }

  own(kind: HandleKind, pointer: Pointer): Handle {
    const release = this.api.releases[RELEASE_OF[kind]];
    let held = true;
    this.#live.set(kind, this.live(kind) + 1);
    return {
      pointer,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#live.set(kind, this.live(kind) - 1);
        release(pointer);
      },
    };
  }
}
