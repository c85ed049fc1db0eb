/** Which subjects a pattern means: `*` stands for one part, a final `>` for one or more, as in NATS. Pure. */

export type SubjectPattern = (subject: string) => boolean;

export function subjectPattern(pattern: string): SubjectPattern {
  const wanted = pattern.split(".");
  if (!wanted.includes("*") && !wanted.includes(">")) return (subject) => subject === pattern;
  const open = wanted.at(-1) === ">";
  const fixed = open ? wanted.slice(0, -1) : wanted;
  return (subject) => {
    const parts = subject.split(".");
    if (open ? parts.length <= fixed.length : parts.length !== fixed.length) return false;
    return fixed.every((part, index) => part === "*" || part === parts[index]);
  };
}
