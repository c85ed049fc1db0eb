/** Types of run-tests.mjs, which is plain JavaScript, for the tests. */
export function countTests(reportText: string | undefined, code: number): { passed: number; failed: number; skipped: number };
