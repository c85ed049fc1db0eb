/** Reads parsed JSON of forms that others define, field by field, without trusting it. Pure. */

/** The field of an object; undefined for a missing field and for anything that is no object. JSON's null counts as absent. */
export function jsonField(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  const field: unknown = Reflect.get(value, name);
  return field === null ? undefined : field;
}

export function jsonText(value: unknown, name: string): string | undefined {
  const field = jsonField(value, name);
  return typeof field === "string" ? field : undefined;
}

export function jsonFlag(value: unknown, name: string): boolean | undefined {
  const field = jsonField(value, name);
  return typeof field === "boolean" ? field : undefined;
}

/** A whole number that is not negative. */
export function jsonCount(value: unknown, name: string): number | undefined {
  const field = jsonField(value, name);
  return isCount(field) ? field : undefined;
}

/** Empty unless the field is an array. */
export function jsonList(value: unknown, name: string): readonly unknown[] {
  const field = jsonField(value, name);
  return Array.isArray(field) ? field : [];
}

/** An object that is no array. */
export function jsonObject(value: unknown, name: string): object | undefined {
  const field = jsonField(value, name);
  return typeof field === "object" && field !== null && !Array.isArray(field) ? field : undefined;
}

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
