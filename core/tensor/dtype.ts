/** Datatypes of tensors by their protocol names (KServe v2), with what every layer must know of them. Pure. */

export interface DtypeTraits {
  /** Bytes of an element; 0 where elements vary in length. */
  readonly bytes: number;
  /** The name in config.pbtxt. */
  readonly configName: string;
}

export const DTYPES = {
  BOOL: { bytes: 1, configName: "TYPE_BOOL" },
  UINT8: { bytes: 1, configName: "TYPE_UINT8" },
  UINT16: { bytes: 2, configName: "TYPE_UINT16" },
  UINT32: { bytes: 4, configName: "TYPE_UINT32" },
  UINT64: { bytes: 8, configName: "TYPE_UINT64" },
  INT8: { bytes: 1, configName: "TYPE_INT8" },
  INT16: { bytes: 2, configName: "TYPE_INT16" },
  INT32: { bytes: 4, configName: "TYPE_INT32" },
  INT64: { bytes: 8, configName: "TYPE_INT64" },
  FP16: { bytes: 2, configName: "TYPE_FP16" },
  FP32: { bytes: 4, configName: "TYPE_FP32" },
  FP64: { bytes: 8, configName: "TYPE_FP64" },
  BYTES: { bytes: 0, configName: "TYPE_STRING" },
  BF16: { bytes: 2, configName: "TYPE_BF16" },
} as const satisfies Record<string, DtypeTraits>;

export type Dtype = keyof typeof DTYPES;

export function isDtype(text: unknown): text is Dtype {
  return typeof text === "string" && Object.hasOwn(DTYPES, text);
}
