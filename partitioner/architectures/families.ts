/** All families, and which one an architecture belongs to. */
import { ServingError } from "../../core/errors.ts";
import type { Family } from "./family.ts";
import { llama } from "./llama.ts";

const FAMILIES: readonly Family[] = [llama];

/** @throws ServingError UNIMPLEMENTED when no family covers the architecture */
export function familyOf(architecture: string): Family {
  const family = FAMILIES.find(({ architectures }) => architectures.includes(architecture));
  if (family !== undefined) return family;
  const known = FAMILIES.flatMap(({ architectures }) => architectures).join(", ");
  throw new ServingError("UNIMPLEMENTED", `the architecture '${architecture}' is not supported (${known} are)`);
}
