/**
 * Loaded into every process of a cluster before anything else (`node --import`): carries out the mutations that NEREID_CHAOS_MUTATIONS
 * holds while the product's source is loaded. A process that loads a file in which a mutation's text is not found ends at once.
 */
import { registerHooks } from "node:module";
import { type Mutation, mutated } from "./mutation.ts";

const root = new URL("../../", import.meta.url).href;
const mutations: readonly Mutation[] = JSON.parse(process.env["NEREID_CHAOS_MUTATIONS"] ?? "[]");
const byUrl = Map.groupBy(mutations, ({ file }) => root + file);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const changes = byUrl.get(url);
    if (changes === undefined) return loaded;
    const source = typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source ?? undefined);
    return { ...loaded, source: changes.reduce(mutated, source) };
  },
});
