/**
 * A configuration in JSON as Triton answers it, key by key: fields in the order of their declaration, every field that cannot be
 * absent, messages only where they are set, 64-bit integers as numbers where Triton makes them numbers. Pure.
 */
import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type ModelConfig, ModelConfigSchema } from "../../../../protos/gen/model_config_pb.ts";

/** Where Triton forgets to turn protobuf's text for 64 bits into a number. */
const TEXT_INTEGERS: ReadonlySet<string> = new Set([
  "inference.ModelInstanceGroup.SecondaryDevice.device_id",
  "inference.ModelSequenceBatching.InitialState.dims",
  "inference.ModelOptimizationPolicy.Cuda.GraphSpec.Shape.dim",
]);

export function configJson(config: ModelConfig): string {
  return messageJson(reflect(ModelConfigSchema, config));
}

function messageJson(message: ReflectMessage): string {
  const members = message.fields
    .filter((field) => isWritten(message, field))
    .map((field) => `${JSON.stringify(field.name)}:${fieldJson(message, field)}`);
  return `{${members.join(",")}}`;
}

/** Lists, maps and plain values are always there; messages and members of a oneof when they are set. */
function isWritten(message: ReflectMessage, field: DescField): boolean {
  const hasPresence = field.fieldKind === "message" || field.oneof !== undefined;
  return !hasPresence || message.isSet(field);
}

function fieldJson(message: ReflectMessage, field: DescField): string {
  switch (field.fieldKind) {
    case "scalar":
    case "enum":
    case "message":
      return valueJson(message.get(field), field);
    case "list":
      return `[${[...message.get(field)].map((value) => valueJson(value, field)).join(",")}]`;
    case "map": {
      const entries = [...message.get(field).entries()].sort(([a], [b]) => compareKeys(a, b));
      return `{${entries.map(([key, value]) => `${JSON.stringify(String(key))}:${valueJson(value, field)}`).join(",")}}`;
    }
  }
}

function valueJson(value: unknown, field: DescField): string {
  if (isReflectMessage(value)) return messageJson(value);
  if (field.enum !== undefined) {
    return typeof value === "number" && field.enum.value[value] !== undefined
      ? JSON.stringify(field.enum.value[value].name)
      : String(value);
  }
  if (typeof value === "bigint") {
    return TEXT_INTEGERS.has(`${field.parent?.typeName ?? ""}.${field.name}`) ? `"${value}"` : String(value);
  }
  if (typeof value === "number") return field.scalar === ScalarType.FLOAT ? shortFloat(value) : numberJson(value);
  return JSON.stringify(value);
}

/** JSON has no word for what is not finite; protobuf writes a text. */
const numberJson = (value: number): string => (Number.isFinite(value) ? String(value) : `"${value}"`);

/** The shortest decimal that is this 32-bit float. */
function shortFloat(value: number): string {
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return numberJson(short);
  }
  return numberJson(value);
}

function compareKeys(a: unknown, b: unknown): number {
  if (typeof a === "bigint" && typeof b === "bigint") return a < b ? -1 : 1;
  return String(a) < String(b) ? -1 : 1;
}
