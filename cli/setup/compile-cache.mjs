/**
 * Where Node keeps what it has compiled, types taken away: a start with it takes half the time. Every program of ours that is
 * started from here inherits it: gateways, agents, runners, partitioners.
 */
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * NODE_COMPILE_CACHE as a program is to find it: what is set already, else a folder in the cache of models and shards.
 * @param {Record<string, string | undefined>} environment
 * @param {string} home
 * @returns {string}
 */
export function compileCache(environment, home = homedir()) {
  const shared = environment.XDG_CACHE_HOME || join(home, ".cache");
  return environment.NODE_COMPILE_CACHE ?? join(environment.NEREID_CACHE || join(shared, "nereid"), "compiled");
}
