/** A node that is to be left takes nothing new while another one can. Pure. */

/** Copies on nodes that stay; all of them, where none does. */
export function staying<Copy>(copies: readonly Copy[], isLeaving: (copy: Copy) => boolean): readonly Copy[] {
  const stay = copies.filter((copy) => !isLeaving(copy));
  return stay.length > 0 ? stay : copies;
}
