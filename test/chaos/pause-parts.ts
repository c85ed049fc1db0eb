/** Where pauses go, from what a cluster has logged meanwhile. Pure. */

export interface Pause {
  /** Unix time. */
  readonly killedAtMs: number;
  /** The stream's silence. */
  readonly gapMs: number;
}

/** Ends of the parts of a pause, in their order, by the words of the log line that tells of them. */
const MILESTONES = [
  ["noticed_ms", "a shard's runner died and is started again"],
  ["open_ms", "a shard is open"],
  ["joined_ms", "the replica's stages work together"],
] as const;

interface Line {
  readonly time: number;
  readonly msg: string;
}

/** Milliseconds of each part by its name, one number a pause; what is left are prompt and replay. */
export function pauseParts(log: string, pauses: readonly Pause[]): Readonly<Record<string, string>> {
  const lines = log.split("\n").flatMap((text): readonly Line[] => (text.startsWith("{") ? [JSON.parse(text)] : []));
  const parts = pauses.map(({ killedAtMs, gapMs }) => {
    let fromMs = killedAtMs;
    const spent: number[] = [];
    for (const [, words] of MILESTONES) {
      const atMs = lines.find(({ time, msg }) => time >= fromMs && msg === words)?.time ?? fromMs;
      spent.push(atMs - fromMs);
      fromMs = atMs;
    }
    return [...spent, Math.round(killedAtMs + gapMs - fromMs)];
  });
  const names = [...MILESTONES.map(([name]) => name), "rebuilt_ms"];
  return Object.fromEntries(names.map((name, index) => [name, parts.map((part) => part[index]).join(",")]));
}
