/** A model's report as people read it. Pure. */
import { join } from "node:path";
import type { ModelReport } from "./report.ts";

export function reportText(report: ModelReport): string {
  const { folder, fine, versions, missing, problems, withoutEffect, config, completed } = report;
  const known = versions.length === 0 ? ", no version" : `, version${versions.length > 1 ? "s" : ""} ${versions.join(", ")}`;
  const lines = [`${folder}: ${fine ? "fine" : "has problems"}${config === undefined ? "" : known}`];
  for (const version of missing) lines.push(`  version ${version} is asked for and not there`);
  for (const { message, fix, ...place } of problems) {
    lines.push(`  ${placeText(folder, place)}${message.trimEnd()}`);
    if (fix !== undefined) lines.push(`    fix: ${fix}`);
  }
  for (const { field, why, ...place } of withoutEffect) lines.push(`  ${placeText(folder, place)}${field} has no effect here: ${why}`);
  if (fine) lines.push(...completed.flatMap(({ text, isNew }) => text.split("\n").map((line) => `  ${isNew ? "+" : " "} ${line}`)));
  return `${lines.join("\n")}\n`;
}

function placeText(folder: string, { file, line, column }: Pick<ModelReport["problems"][number], "file" | "line" | "column">): string {
  return file === undefined ? "" : `${join(folder, file)}:${line}:${column}: `;
}
