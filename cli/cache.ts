/** Where models and shards are kept on this machine. Pure. */
import { join, resolve } from "node:path";

/** Folders of the cache, absolute. */
export interface CacheFolders {
  readonly root: string;
  /** The first model repository, which gets what is fetched: `<name>/1/model.gguf`. */
  readonly models: string;
  /** All of them. */
  readonly repositories: readonly [string, ...string[]];
  readonly shards: string;
  /** Unfinished downloads; beside `models`, so that finishing one is a rename, yet no model to a repository. */
  readonly unfinished: string;
  /** What has been verified already, by name. */
  readonly verified: string;
}

/** `cache` and `models` as settings give them; else XDG_CACHE_HOME/nereid, else ~/.cache/nereid. */
export function cacheFolders(
  chosen: { readonly cache: string | undefined; readonly models: readonly string[] | undefined },
  environment: { readonly XDG_CACHE_HOME?: string | undefined },
  home: string,
): CacheFolders {
  const shared = environment.XDG_CACHE_HOME;
  const root = resolve(chosen.cache ?? (shared ? join(shared, "nereid") : join(home, ".cache", "nereid")));
  const [models = join(root, "models"), ...others] = (chosen.models ?? []).map((folder) => resolve(folder));
  return {
    root,
    models,
    repositories: [models, ...others],
    shards: join(root, "shards"),
    unfinished: `${models}.unfinished`,
    verified: join(root, "verified"),
  };
}

/** The one file of a GGUF model's only version. */
export const modelFile = (folders: CacheFolders, name: string): string => join(folders.models, name, "1", "model.gguf");
