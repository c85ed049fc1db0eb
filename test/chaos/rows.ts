/** All rows of the chaos run, in the order of the promises. A row is a file in `rows/`. */
import type { Row } from "./row.ts";
import { killedAgents } from "./rows/killed-agents.ts";
import { killedRunners } from "./rows/killed-runners.ts";
import { pauses } from "./rows/pauses.ts";

export const ROWS: readonly Row[] = [killedRunners, pauses, killedAgents];
