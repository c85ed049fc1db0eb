/** Types of run-tests.mjs, which is plain JavaScript, for the tests. */
export function countTests(
  reportText: string | undefined,
  code: number,
): { readonly passed: number; readonly failed: number; readonly skipped: readonly string[] };
