/** All rows of the chaos run, in the order of the promises. A row is a file in `rows/`, or two that differ in a word. */
import type { Row } from "./row.ts";
import { resetStorms, slowNetworks } from "./rows/bad-networks.ts";
import { clockJumps } from "./rows/clock-jumps.ts";
import { crashLoop } from "./rows/crash-loop.ts";
import { cutOffGateway } from "./rows/cut-off-gateway.ts";
import { flappingAgent } from "./rows/flapping-agent.ts";
import { flushedRedis } from "./rows/flushed-redis.ts";
import { frozenAgent } from "./rows/frozen-agent.ts";
import { fullDisk } from "./rows/full-disk.ts";
import { fullRedis } from "./rows/full-redis.ts";
import { hangUps } from "./rows/hang-ups.ts";
import { killedAgents } from "./rows/killed-agents.ts";
import { killedAnything } from "./rows/killed-anything.ts";
import { killedBoth } from "./rows/killed-both.ts";
import { killedGateways } from "./rows/killed-gateways.ts";
import { killedSpareAgents, killedSpareRunners } from "./rows/killed-replicas.ts";
import { killedRunners } from "./rows/killed-runners.ts";
import { lateRequests } from "./rows/late-requests.ts";
import { natsAway, natsRestarted } from "./rows/nats-away.ts";
import { outOfMemory } from "./rows/out-of-memory.ts";
import { partedStages } from "./rows/parted-stages.ts";
import { pauses } from "./rows/pauses.ts";
import { poisonRequest } from "./rows/poison-request.ts";
import { redisRestarted, redisRewound } from "./rows/redis-restarted.ts";
import { repeatedSteps } from "./rows/repeated-steps.ts";
import { rollingRestart } from "./rows/rolling-restart.ts";
import { oneWayLink, silentLink } from "./rows/silent-links.ts";
import { slowReaders } from "./rows/slow-readers.ts";
import { slowSubscription } from "./rows/slow-subscription.ts";
import { startOrders } from "./rows/start-orders.ts";
import { stoppedAgent } from "./rows/stopped-agent.ts";
import { twoOwners } from "./rows/two-owners.ts";

export const ROWS: readonly Row[] = [
  killedRunners,
  pauses,
  killedAgents,
  killedSpareRunners,
  killedSpareAgents,
  killedAnything,
  frozenAgent,
  silentLink,
  oneWayLink,
  partedStages,
  killedGateways,
  killedBoth,
  natsRestarted,
  natsAway,
  cutOffGateway,
  redisRestarted,
  redisRewound,
  flushedRedis,
  slowReaders,
  slowSubscription,
  slowNetworks,
  resetStorms,
  clockJumps,
  fullDisk,
  fullRedis,
  outOfMemory,
  crashLoop,
  poisonRequest,
  stoppedAgent,
  rollingRestart,
  hangUps,
  repeatedSteps,
  lateRequests,
  twoOwners,
  flappingAgent,
  startOrders,
];
