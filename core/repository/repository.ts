/**
 * Where model files come from: bytes by name and range, never a path, so that a folder, a peer node or an object store can be
 * behind it. Adapters: `folder.ts`, `memory.ts`, `peer.ts`; all pass `test/contract/repository.ts`.
 */

export interface FileInfo {
  /** Relative to the model's folder, with `/`: `config.pbtxt`, `1/model.gguf`. */
  readonly name: string;
  readonly bytes: number;
}

/** The files of one model. */
export interface ModelFiles {
  /** All files, sorted by name; links and special files are left out. */
  list(): Promise<readonly FileInfo[]>;
  /** Names of the symbolic links that `list` leaves out, to tell whoever misses what they lead to; where files lie in a folder. */
  links?(): Promise<readonly string[]>;
  /**
   * `length` bytes from `offset`, in memory of its own; at most 256 MiB a call.
   * @throws ServingError NOT_FOUND when there is no such file, OUT_OF_RANGE when the range passes its end.
   */
  readRange(name: string, offset: number, length: number): Promise<Uint8Array>;
  /** sha256 of the content, hexadecimal; remembered while size and time of change stay the same. @throws ServingError NOT_FOUND */
  digest(name: string): Promise<string>;
}

export interface Repository {
  /** Names of the models, sorted. */
  models(): Promise<readonly string[]>;
  /** @throws ServingError NOT_FOUND when there is no such model. */
  model(name: string): Promise<ModelFiles>;
}
