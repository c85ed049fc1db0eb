/** Questions that a chat model answers at length, no two alike. Pure. */

const SUBJECTS = [
  "a lighthouse keeper who hears a voice in the fog",
  "two brothers who build a boat in their kitchen",
  "a city that moves a little to the north every night",
  "an old teacher who learns to fly a kite",
  "a train that stops at a station nobody knows",
  "the last winter of a village in the mountains",
  "a clock that shows what people will forget",
  "a girl who keeps the sea in a jar",
] as const;

/** So many of one kind; another `round` has other ones, from the first word on, so that no server's cache can know their beginning. */
export function chatPrompts(count: number, round: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const subject = SUBJECTS[index % SUBJECTS.length] ?? SUBJECTS[0];
    const number = round * count + index + 1;
    return `Number ${number}. Write a very long story about ${subject}. Describe the place, the people, what they say to each other and how it ends.`;
  });
}
