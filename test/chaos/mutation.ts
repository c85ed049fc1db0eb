/** A change of the product's source that takes out what keeps a promise: there is no switch for it in the product. Pure. */

export interface Mutation {
  /** From the repository's root. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** @throws Error when the text is not there exactly once: the source has changed, and the mutation means nothing any more */
export function mutated(source: string, { file, find, replace }: Mutation): string {
  const [before, after, ...more] = source.split(find);
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`${file} has ${JSON.stringify(find)} ${more.length + (after === undefined ? 0 : 1)} times, it must be there once`);
  return before + replace + after;
}
