/** What parameters of requests and answers are. Pure. */

/** Parameters that clients send along; integers keep all their digits. */
export type ParameterValue = string | boolean | number | bigint;
