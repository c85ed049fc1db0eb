/** What a replica's stages die of: its lead gives its generations up with them, and the gateway does not begin them again. Pure. */
import type { Mutation } from "./mutation.ts";

export const GIVEN_UP = "a lead that gives its generations up with its stages, and --migration-limit 0";
export const GIVEN_UP_FLAGS = { "--migration-limit": "0" };
export const GIVING_UP: Mutation = {
  file: "node-agent/engines/generation-engine.ts",
  find: "else if (!survives) this.#fail(key, error);",
  replace: "else this.#fail(key, error);",
};
