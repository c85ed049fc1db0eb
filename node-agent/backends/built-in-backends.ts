/** The backends that are a part of the agent: those of Triton's samples that need no framework, by the name that configurations use. */
import type { Backend, BackendDeps } from "./backend.ts";
import { identityBackend } from "./identity.ts";
import { repeatBackend } from "./repeat.ts";
import { squareBackend } from "./square.ts";

const BUILT_IN: ReadonlyMap<string, (deps: BackendDeps) => Backend> = new Map([
  ["identity", identityBackend],
  ["repeat", repeatBackend],
  ["square", squareBackend],
]);

/** undefined: there is none of that name. */
export function builtInBackend(name: string, deps: BackendDeps): Backend | undefined {
  return BUILT_IN.get(name)?.(deps);
}
