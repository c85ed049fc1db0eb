/** What parameters of requests and answers are. Pure. */

/** Parameters that clients send along; integers keep all their digits. */
export type ParameterValue = string | boolean | number | bigint;

export type ParameterValues = ReadonlyMap<string, ParameterValue>;

export const NO_PARAMETERS: ParameterValues = new Map();
