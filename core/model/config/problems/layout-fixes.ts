/** What to do about a model's folder that is not laid out as FOLDER/VERSION/model.onnx. Pure. */
import type { ModelFolder } from "../model-folder.ts";

const MODEL_FILE = /\.(?:onnx|gguf|safetensors|plan|pt2?|py|xml)$/;
const VERSION = /^[1-9]\d{0,15}$/;

/** What Triton does not have to say, as it follows links: behind its words; empty where there are none. */
export function linkNote({ links }: ModelFolder): string {
  const link = linkFix(links);
  return link === undefined ? "" : `: ${link}`;
}

/** Where somebody put a link to a version or into one, what is missing is most likely that. */
function linkFix(links: readonly string[] = []): string | undefined {
  const link = links.find((name) => VERSION.test(name.split("/", 1)[0] ?? ""));
  return link && `${link} is a symbolic link, and those are not followed: put what it leads to in its place (cp -rL, or a hard link)`;
}

export function versionsFix({ name: model, files, links }: ModelFolder): string {
  const folders = [...new Set(files.filter((name) => name.includes("/")).map((name) => name.slice(0, name.indexOf("/"))))];
  const versions = folders.filter((name) => VERSION.test(name));
  if (versions.length > 0) return `there are ${versions.join(", ")}: let version_policy have one of them`;
  const link = linkFix(links);
  if (link !== undefined) return link;
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
export function modelFileFix(wanted: string, { files, links = [] }: Pick<ModelFolder, "files" | "links">): string {
  const link = linkFix(links.filter((name) => wanted === name || wanted.startsWith(`${name}/`)));
  if (link !== undefined) return link;
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

/** @param folder of a model for whose files no backend could be found */
export function backendFix(folder: ModelFolder): string {
  const { name, files, links } = folder;
  const odd = files.find((file) => /^[1-9]\d{0,15}\/[^/]+\.onnx$/.test(file));
  if (odd === undefined) {
    const isThere = files.some((file) => VERSION.test(file.split("/", 1)[0] ?? "") && file.includes("/"));
    if (!isThere) return versionsFix(folder);
    return linkFix(links) ?? `set backend in config.pbtxt, or put the model into ${name}/1/ as model.onnx or model.gguf`;
  }
  return modelFileFix(`${odd.split("/", 1)[0]}/model.onnx`, folder);
}
