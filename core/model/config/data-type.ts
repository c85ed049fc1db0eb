/** Datatypes of tensors: from the names of the protocols to those of configurations and back. Pure. */
import { DataType, DataTypeSchema } from "../../../protos/gen/model_config_pb.ts";
import { DTYPES, type Dtype, isDtype } from "../../tensor/dtype.ts";

const BY_NUMBER: ReadonlyMap<number, Dtype> = new Map(
  Object.keys(DTYPES)
    .filter(isDtype)
    .map((dtype) => [dataTypeOf(dtype), dtype]),
);

/** undefined for TYPE_INVALID and for numbers that are no datatype. */
export const dtypeOf = (type: DataType): Dtype | undefined => BY_NUMBER.get(type);

export function dataTypeOf(dtype: Dtype): DataType {
  return DataTypeSchema.values.find(({ name }) => name === DTYPES[dtype].configName)?.number ?? DataType.TYPE_INVALID;
}

/** `TYPE_FP32`. */
export const dataTypeName = (type: DataType): string => DataTypeSchema.value[type]?.name ?? String(type);
