/** A simulation that finds nothing shows little, unless it finds what is there: each of these bugs is found within some seeds. */
import { expect, test } from "vitest";
import { JOURNAL_BUGS } from "./journal-bugs.ts";
import { PLANTED_BUGS } from "./planted-bugs.ts";
import { seedsUntilFound } from "./seeds-until-found.ts";

const SEEDS_MAX = 150;

test.each([...PLANTED_BUGS, ...JOURNAL_BUGS])(
  "a cluster that $name is found out",
  async (bug) => expect(await seedsUntilFound(bug, SEEDS_MAX)).toBeDefined(),
  60_000,
);
