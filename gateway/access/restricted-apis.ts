/** Triton's restrictions: groups of calls that need a header with a value (`--http-restricted-api`, `--grpc-restricted-protocol`). Pure. */
import { ServingError } from "../../core/errors.ts";
import { API_GROUPS, type ApiGroup } from "./access.ts";

export interface Restriction {
  /** As the option names it. */
  readonly key: string;
  readonly value: string;
}

export type Restrictions = ReadonlyMap<ApiGroup, Restriction>;

/**
 * @param rules such as `health,metadata:key=value`
 * @throws ServingError INVALID_ARGUMENT naming the option and what is wrong, never the value, which is a secret
 */
export function parseRestrictions(option: string, rules: readonly string[]): Restrictions {
  const restrictions = new Map<ApiGroup, Restriction>();
  for (const rule of rules) {
    const [, groups = "", key = "", value = ""] = /^([^:]*):([\w-]+)=(.+)$/.exec(rule) ?? [];
    if (key === "") throw new ServingError("INVALID_ARGUMENT", `${option}: expected GROUP,GROUP:HEADER=VALUE`);
    for (const name of groups.split(",").map((part) => part.trim())) {
      const group = API_GROUPS.find((known) => known === name);
      if (group === undefined) {
        throw new ServingError("INVALID_ARGUMENT", `${option}: unknown group '${name.slice(0, 40)}'; there are ${API_GROUPS.join(", ")}`);
      }
      if (restrictions.has(group)) throw new ServingError("INVALID_ARGUMENT", `${option}: group '${group}' can not be in two rules`);
      restrictions.set(group, { key: key.toLowerCase(), value });
    }
  }
  return restrictions;
}
