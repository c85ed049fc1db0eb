/** Types of parent-watch.mjs, which is plain JavaScript, since the set-up uses it too. */
export function whenParentIsGone(environment: { readonly npm_lifecycle_event?: string | undefined }, act: () => void): () => void;
