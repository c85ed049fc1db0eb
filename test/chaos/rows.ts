/** All rows of the chaos run, in the order of the promises. A row is a file in `rows/`. */
import type { Row } from "./row.ts";
import { frozenAgent } from "./rows/frozen-agent.ts";
import { killedAgents } from "./rows/killed-agents.ts";
import { killedGateways } from "./rows/killed-gateways.ts";
import { killedRunners } from "./rows/killed-runners.ts";
import { natsAway, natsRestarted } from "./rows/nats-away.ts";
import { partedStages } from "./rows/parted-stages.ts";
import { pauses } from "./rows/pauses.ts";
import { oneWayLink, silentLink } from "./rows/silent-links.ts";

export const ROWS: readonly Row[] = [
  killedRunners,
  pauses,
  killedAgents,
  frozenAgent,
  silentLink,
  oneWayLink,
  partedStages,
  killedGateways,
  natsRestarted,
  natsAway,
];
