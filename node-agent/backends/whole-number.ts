/** Reads numbers among a model's parameters, which are texts. Pure. */

/** 0 where it is not given, or is none: Triton's sample backends pass over what is not well formed. */
export function wholeNumber(parameters: ReadonlyMap<string, string>, name: string): number {
  const text = parameters.get(name) ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
