/** What to do about a model's folder that is not laid out as FOLDER/VERSION/model.onnx. Pure. */

const MODEL_FILE = /\.(?:onnx|gguf|safetensors|plan|pt2?|py|xml)$/;
const VERSION = /^[1-9]\d{0,15}$/;

/** @param model the folder's name @param files in it, relative, with `/` */
export function versionsFix(model: string, files: readonly string[]): string {
  const folders = [...new Set(files.filter((name) => name.includes("/")).map((name) => name.slice(0, name.indexOf("/"))))];
  const versions = folders.filter((name) => VERSION.test(name));
  if (versions.length > 0) return `there are ${versions.join(", ")}: let version_policy have one of them`;
  const named = folders.find((name) => Number(/\d+/.exec(name)?.[0] ?? 0) > 0);
  if (named !== undefined) {
    const number = Number(/\d+/.exec(named)?.[0]);
    return `rename ${named}/ to ${number}/: a version's folder has a whole number without leading zeros as its name`;
  }
  const lost = files.find((name) => !name.includes("/") && MODEL_FILE.test(name));
  if (lost !== undefined) return `move ${lost} into ${model}/1/`;
  return "put the model into a folder named by its version, such as 1/, that the policy allows";
}

/** @param wanted what a version's model file is to be called, with the version: `1/model.onnx` */
export function modelFileFix(wanted: string, files: readonly string[]): string {
  const [version = "", name = ""] = wanted.split("/", 2);
  const ending = name.slice(name.lastIndexOf("."));
  const there = files
    .filter((file) => file.startsWith(`${version}/`) && file.split("/").length === 2)
    .map((file) => file.slice(version.length + 1));
  const alike = there.filter((file) => file.endsWith(ending));
  if (alike.length === 1) return `rename ${version}/${alike[0]} to ${name}, or write default_model_filename: "${alike[0]}"`;
  if (alike.length > 1)
    return `say which of ${alike.join(", ")} it is with default_model_filename; others belong into versions of their own`;
  return `put it there; ${version}/ has ${there.length === 0 ? "no files" : there.slice(0, 5).join(", ")}`;
}

/** @param name of a model for whose files no backend could be found */
export function backendFix(name: string, files: readonly string[]): string {
  const odd = files.find((file) => /^[1-9]\d{0,15}\/[^/]+\.onnx$/.test(file));
  if (odd === undefined) {
    const isThere = files.some((file) => VERSION.test(file.split("/", 1)[0] ?? "") && file.includes("/"));
    return isThere ? `set backend in config.pbtxt, or put the model into ${name}/1/ as model.onnx or model.gguf` : versionsFix(name, files);
  }
  return modelFileFix(`${odd.split("/", 1)[0]}/model.onnx`, files);
}
