/** Two gateways that share a real Redis: one places, the other takes over, and what Redis suffers takes nothing down. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { systemRandom } from "../../core/random.ts";
import { redisPlacementLease, redisWantedModels } from "../../core/store/placement/redis.ts";
import { RedisConnection } from "../../core/store/redis-connection.ts";
import { redisCommand } from "../contract/servers/redis-command.ts";
import { ControlCluster, type ControlGateway } from "../support/control-cluster.ts";
import { type RealServer, startRedis } from "../support/real-servers.ts";
import { eventually } from "./whole-models/model-cluster.ts";

const NONE = { files: new Map<string, Uint8Array>() };
const NEVER = new AbortController().signal;

let stack: AsyncDisposableStack;
let redis: RealServer;
let gateways: readonly ControlGateway[];

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  redis = stack.use(await startRedis());
  const rig = stack.use(new ControlCluster({ clock: systemClock, random: systemRandom, nodes: 2 }));
  await rig.start();
  gateways = [0, 1].map(() => {
    const connection = stack.use(new RedisConnection({ url: redis.url }, { random: systemRandom, logger: rig.log.logger }));
    return stack.use(rig.gateway({ wantedModels: redisWantedModels(connection), lease: redisPlacementLease(connection) }));
  });
});
afterEach(() => stack.disposeAsync());

const places = ({ plane }: ControlGateway) => plane.duty.fence() !== undefined;
const ready = ({ watch }: ControlGateway) => watch.fleet.replicas().filter((replica) => replica.ready);

/** The gateway that places, and the one that does not. */
async function roles(): Promise<readonly [ControlGateway, ControlGateway]> {
  const holder = await eventually(
    () => gateways.find(places),
    (found) => found !== undefined,
  );
  const other = gateways.find((gateway) => gateway !== holder);
  if (holder === undefined || other === undefined) throw new Error("there are two gateways");
  return [holder, other];
}

describe("two gateways on one Redis", () => {
  test("a load asked at the one that does not place is done by the other; when that dies, an unload is done by the one that is left", async () => {
    const [holder, other] = await roles();
    await other.plane.control.load("tiny", NONE, NEVER);
    expect([ready(holder).length, ready(other).length]).toEqual([1, 1]);
    expect(places(other)).toBe(false);
    holder.kill();
    await eventually(() => places(other), Boolean);
    expect(ready(other)).toMatchObject([{ epoch: 1 }]); // nothing was connected anew
    await other.plane.control.unload("tiny", { dependents: false });
    await eventually(
      () => other.watch.fleet.shards(),
      (shards) => shards.length === 0,
    );
  });

  test("what Redis loses by FLUSHALL is there again, and nothing that serves is touched", async () => {
    const [holder, other] = await roles();
    await other.plane.control.load("tiny", NONE, NEVER);
    const keysBefore = (await redisCommand(redis.url, "KEYS", "*")).toSorted();
    await redisCommand(redis.url, "FLUSHALL");
    await eventually(
      async () => (await redisCommand(redis.url, "KEYS", "*")).toSorted().join(),
      (keys) => keys === keysBefore.join(),
    );
    expect([holder, other].filter(places)).toHaveLength(1);
    expect(ready(other)).toMatchObject([{ epoch: 1 }]);
  });

  test("while Redis is dead what serves goes on and loads are refused; when it is back they are taken", async () => {
    const [holder, other] = await roles();
    await holder.plane.control.load("tiny", NONE, NEVER);
    await redis.kill();
    await expect(other.plane.control.unload("tiny", { dependents: false })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(ready(other)).toMatchObject([{ epoch: 1 }]);
    await redis.start();
    await eventually(
      () =>
        other.plane.control.unload("tiny", { dependents: false }).then(
          () => true,
          () => false,
        ),
      Boolean,
    );
    await eventually(
      () => other.watch.fleet.shards(),
      (shards) => shards.length === 0,
    );
  });
});
