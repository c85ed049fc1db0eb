/** Compiled code lies beside models and shards, unless somebody says otherwise. */
import { expect, test } from "vitest";
import { compileCache } from "../../../../cli/setup/compile-cache.mjs";

test.each([
  ["/somebody/.cache/nereid/compiled", {}],
  ["/shared/nereid/compiled", { XDG_CACHE_HOME: "/shared" }],
  ["/big/compiled", { NEREID_CACHE: "/big", XDG_CACHE_HOME: "/shared" }],
  ["/mine", { NODE_COMPILE_CACHE: "/mine", NEREID_CACHE: "/big" }],
])("compiled code goes to %s with %o", (folder, environment) => {
  expect(compileCache(environment, "/somebody")).toBe(folder);
});
