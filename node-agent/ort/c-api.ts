/**
 * ONNX Runtime's C API through koffi. The API is a table of function pointers that only ever grows at its end, so that a slot
 * never moves; slots are counted from `struct OrtApi` in onnxruntime_c_api.h and called with version 20 of it. Nothing here
 * frees or checks: that is done by the types that own handles.
 */
import { createRequire } from "node:module";
import path from "node:path";
import koffi, { type LibraryHandle } from "koffi";
import { ServingError } from "../../core/errors.ts";

/** A native pointer; null where C says NULL. */
export type Pointer = bigint | null;

/** Argument types as koffi writes them; `out` is a `void**` that the call fills. */
type Signature = readonly ("void*" | "int" | "const char*" | "size_t" | "int64_t*" | "out")[];

/** Calls that return an OrtStatus*, null for success. */
const CALLS = {
  CreateEnv: [3, ["int", "const char*", "out"]],
  CreateSession: [7, ["void*", "const char*", "void*", "out"]],
  CreateSessionOptions: [10, ["out"]],
  SetSessionExecutionMode: [13, ["void*", "int"]],
  DisableMemPattern: [17, ["void*"]],
  DisableCpuMemArena: [19, ["void*"]],
  SetSessionLogSeverityLevel: [22, ["void*", "int"]],
  SetSessionGraphOptimizationLevel: [23, ["void*", "int"]],
  SetIntraOpNumThreads: [24, ["void*", "int"]],
  SetInterOpNumThreads: [25, ["void*", "int"]],
  SessionGetInputCount: [30, ["void*", "void*"]],
  SessionGetOutputCount: [31, ["void*", "void*"]],
  SessionGetOverridableInitializerCount: [32, ["void*", "void*"]],
  SessionGetInputTypeInfo: [33, ["void*", "size_t", "out"]],
  SessionGetOutputTypeInfo: [34, ["void*", "size_t", "out"]],
  SessionGetOverridableInitializerTypeInfo: [35, ["void*", "size_t", "out"]],
  SessionGetInputName: [36, ["void*", "size_t", "void*", "out"]],
  SessionGetOutputName: [37, ["void*", "size_t", "void*", "out"]],
  SessionGetOverridableInitializerName: [38, ["void*", "size_t", "void*", "out"]],
  CreateRunOptions: [39, ["out"]],
  RunOptionsSetTerminate: [46, ["void*"]],
  RunOptionsUnsetTerminate: [47, ["void*"]],
  CreateTensorAsOrtValue: [48, ["void*", "int64_t*", "size_t", "int", "out"]],
  CreateTensorWithDataAsOrtValue: [49, ["void*", "void*", "size_t", "int64_t*", "size_t", "int", "out"]],
  GetTensorMutableData: [51, ["void*", "out"]],
  GetStringTensorDataLength: [53, ["void*", "void*"]],
  GetStringTensorContent: [54, ["void*", "void*", "size_t", "void*", "size_t"]],
  CastTypeInfoToTensorInfo: [55, ["void*", "out"]],
  GetTensorElementType: [60, ["void*", "void*"]],
  GetDimensionsCount: [61, ["void*", "void*"]],
  GetDimensions: [62, ["void*", "void*", "size_t"]],
  GetSymbolicDimensions: [63, ["void*", "void*", "size_t"]],
  GetTensorTypeAndShape: [65, ["void*", "out"]],
  CreateCpuMemoryInfo: [69, ["int", "int", "out"]],
  AllocatorFree: [76, ["void*", "void*"]],
  GetAllocatorWithDefaultOptions: [78, ["out"]],
  AddSessionConfigEntry: [130, ["void*", "const char*", "const char*"]],
  RunWithBinding: [133, ["void*", "void*", "void*"]],
  CreateIoBinding: [134, ["void*", "out"]],
  BindInput: [136, ["void*", "const char*", "void*"]],
  BindOutput: [137, ["void*", "const char*", "void*"]],
  BindOutputToDevice: [138, ["void*", "const char*", "void*"]],
  GetBoundOutputValues: [140, ["void*", "void*", "out", "void*"]],
  GetResizedStringTensorElementBuffer: [252, ["void*", "size_t", "size_t", "out"]],
} as const satisfies Record<string, readonly [slot: number, signature: Signature]>;

/** Calls that free a handle and return nothing. */
const RELEASES = {
  ReleaseStatus: 93,
  ReleaseSession: 95,
  ReleaseValue: 96,
  ReleaseRunOptions: 97,
  ReleaseTypeInfo: 98,
  ReleaseTensorTypeAndShapeInfo: 99,
  ReleaseSessionOptions: 100,
  ReleaseIoBinding: 135,
} as const satisfies Record<string, number>;

const ERROR_MESSAGE_SLOT = 2;
const API_VERSION = 20;

export interface NativeCall {
  (...given: readonly unknown[]): Pointer;
  /** On a thread of libuv's pool; the last argument is `(error, status) => void`. */
  readonly async: (...given: readonly unknown[]) => void;
}

export interface CApi {
  /** Such as `1.30.0`. */
  readonly version: string;
  readonly calls: Readonly<Record<keyof typeof CALLS, NativeCall>>;
  readonly releases: Readonly<Record<keyof typeof RELEASES, (handle: Pointer) => void>>;
  errorMessage(status: Pointer): string;
  readonly memory: NativeBytes;
}

/** Reading and writing memory that belongs to the runtime. */
export interface NativeBytes {
  /** A copy. */
  read(at: Pointer, byteLength: number): Uint8Array;
  write(at: Pointer, bytes: Uint8Array): void;
  /** Until its zero byte. */
  text(at: Pointer): string;
  /** Of a C array of pointers. */
  pointers(at: Pointer, count: number): readonly Pointer[];
}

/**
 * By file. A library must stay reachable for ever: when its handle is collected, it is unloaded under the function pointers.
 */
const loaded = new Map<string, { readonly library: LibraryHandle; readonly api: CApi }>();

/**
 * Loads the runtime's library, once per file and process.
 * @param file undefined: the one that the onnxruntime-node package carries
 * @throws ServingError FAILED_PRECONDITION when there is no such library or it is too old
 */
export function loadCApi(file: string | undefined): CApi {
  const chosen = file ?? packagedLibrary();
  const known = loaded.get(chosen);
  if (known !== undefined) return known.api;
  const library = openLibrary(chosen);
  const base = library.func("void* OrtGetApiBase()")();
  const getApi = koffi.decode(koffi.decode(base, "void*"), koffi.proto("void*", ["uint32_t"]));
  const getVersion = koffi.decode(koffi.decode(base, 8, "void*"), koffi.proto("const char*", []));
  const version: string = getVersion();
  const table = getApi(API_VERSION);
  if (table === null)
    throw new ServingError("FAILED_PRECONDITION", `ONNX Runtime ${version} at ${chosen} is too old: version 1.20 or newer is needed`);
  const api = readTable(table, version);
  loaded.set(chosen, { library, api });
  return api;
}

function readTable(table: Pointer, version: string): CApi {
  const at = (slot: number, result: string, signature: Signature) => {
    const types = signature.map((type) => (type === "out" ? koffi.out("void**") : type));
    return koffi.decode(koffi.decode(table, slot * 8, "void*"), koffi.proto(result, types));
  };
  const calls = Object.fromEntries(Object.entries(CALLS).map(([name, [slot, signature]]) => [name, at(slot, "void*", signature)]));
  const releases = Object.fromEntries(Object.entries(RELEASES).map(([name, slot]) => [name, at(slot, "void", ["void*"])]));
  const errorMessage = at(ERROR_MESSAGE_SLOT, "const char*", ["void*"]);
  return {
    version,
    calls: calls as CApi["calls"], // the entries of CALLS and RELEASES, name by name
    releases: releases as CApi["releases"],
    errorMessage: (status) => errorMessage(status),
    memory: nativeBytes,
  };
}

const nativeBytes: NativeBytes = {
  read: (at, byteLength) => (byteLength === 0 ? new Uint8Array() : koffi.decode(at, "uint8_t", byteLength)),
  write: (at, bytes) => koffi.encode(at, "uint8_t", bytes, bytes.byteLength),
  text: (at) => koffi.decode(at, "char", -1),
  pointers: (at, count) => (count === 0 ? [] : koffi.decode(at, "void*", count)),
};

function openLibrary(file: string): LibraryHandle {
  try {
    return koffi.load(file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError("FAILED_PRECONDITION", `cannot load ONNX Runtime from ${file}: ${why}`, { cause });
  }
}

function packagedLibrary(): string {
  const folder = path.dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
  const names: Partial<Record<NodeJS.Platform, string>> = { win32: "onnxruntime.dll", darwin: "libonnxruntime.1.dylib" };
  return path.join(folder, "bin/napi-v6", process.platform, process.arch, names[process.platform] ?? "libonnxruntime.so.1");
}
