/** A model repository in a folder of its own, which tests fill and change. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export class ModelRepository implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), "nereid-repository-"));

  /** @param files by path in the model's folder, such as `1/model.onnx` or `config.pbtxt` */
  put(model: string, files: Readonly<Record<string, Uint8Array | string>>): this {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(this.folder, model, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
    return this;
  }

  remove(model: string): void {
    rmSync(path.join(this.folder, model), { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
