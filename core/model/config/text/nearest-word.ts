/** The known word that somebody probably meant. Pure. */

/** undefined when no word is near: more than a third of the letters would have to change. */
export function nearestWord(word: string, words: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.floor(Math.max(word.length, 3) / 3) + 1;
  for (const known of words) {
    const changes = changesBetween(word.toLowerCase(), known.toLowerCase(), least);
    if (changes >= least) continue;
    least = changes;
    nearest = known;
  }
  return nearest;
}

/** Letters to insert, remove or replace (Levenshtein's distance); `most` when it is not less. */
function changesBetween(from: string, to: string, most: number): number {
  if (Math.abs(from.length - to.length) >= most) return most;
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return Math.min(row[to.length] ?? most, most);
}
