/** What is known of a model's folder without looking into its files. Pure. */

export interface ModelFolder {
  /** The folder's name, which is the model's. */
  readonly name: string;
  /** Relative to the folder, with `/`: `config.pbtxt`, `1/model.onnx`. */
  readonly files: readonly string[];
  /** Symbolic links, which are none of its files. */
  readonly links?: readonly string[] | undefined;
}
