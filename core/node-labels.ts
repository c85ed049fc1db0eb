/** What agents say of their machines, such as `zone=a`, and models ask of the nodes that they are on. Pure. */

/** Values by name. */
export type NodeLabels = Readonly<Record<string, string>>;

const LABELS_MAX = 32;
const LABEL = /^([\w./-]{1,64})=([\w./-]{1,64})$/;

/** What `parseLabels` takes, for help and errors. */
export const LABELS_ALLOWED = `NAME=VALUE of letters, digits and . _ - /, at most 64 each, every name once; up to ${LABELS_MAX} with commas`;

/** @returns undefined where the text is none of that */
export function parseLabels(text: string): NodeLabels | undefined {
  const labels = new Map<string, string>();
  const parts = text.split(",");
  for (const part of parts) {
    const [, name, value] = LABEL.exec(part.trim()) ?? [];
    if (name === undefined || value === undefined || labels.has(name)) return undefined;
    labels.set(name, value);
  }
  return labels.size <= LABELS_MAX ? Object.fromEntries(labels) : undefined;
}

/** As `parseLabels` reads it. */
export const labelsText = (labels: NodeLabels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");

/** Whether all that is asked for is there, with equal values. */
export const hasLabels = (there: NodeLabels = {}, asked: NodeLabels = {}): boolean =>
  Object.entries(asked).every(([name, value]) => there[name] === value);
