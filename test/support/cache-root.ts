/** Where what tests fetch and build once is kept: the product's own cache. */
import { homedir } from "node:os";
import { cacheFolders } from "../../cli/cache.ts";

/** As settings and environment of this run say. */
export function testCache() {
  return cacheFolders({ cache: process.env["NEREID_CACHE"], models: undefined }, process.env, homedir());
}
