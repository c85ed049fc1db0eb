/** Datatypes of tensors: from the names of the protocols to those of configurations and back. Pure. */
import { DataType, DataTypeSchema } from "../../../protos/gen/model_config_pb.ts";
import { type Dtype, isDtype } from "../../tensor/dtype.ts";

const DATA_TYPES = {
  BOOL: DataType.TYPE_BOOL,
  UINT8: DataType.TYPE_UINT8,
  UINT16: DataType.TYPE_UINT16,
  UINT32: DataType.TYPE_UINT32,
  UINT64: DataType.TYPE_UINT64,
  INT8: DataType.TYPE_INT8,
  INT16: DataType.TYPE_INT16,
  INT32: DataType.TYPE_INT32,
  INT64: DataType.TYPE_INT64,
  FP16: DataType.TYPE_FP16,
  FP32: DataType.TYPE_FP32,
  FP64: DataType.TYPE_FP64,
  BYTES: DataType.TYPE_STRING,
  BF16: DataType.TYPE_BF16,
} as const satisfies Record<Dtype, DataType>;

const DTYPE_OF: ReadonlyMap<number, Dtype> = new Map(
  Object.keys(DATA_TYPES)
    .filter(isDtype)
    .map((dtype) => [DATA_TYPES[dtype], dtype]),
);

/** undefined for TYPE_INVALID and for numbers that are no datatype. */
export const dtypeOf = (type: DataType): Dtype | undefined => DTYPE_OF.get(type);

export const dataTypeOf = (dtype: Dtype): DataType => DATA_TYPES[dtype];

/** `TYPE_FP32`. */
export const dataTypeName = (type: DataType): string => DataTypeSchema.value[type]?.name ?? String(type);
