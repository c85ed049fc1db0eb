/** The contracts of placement's part of the store on a real Redis, and what happens when that dies, is emptied, slow or refuses. */
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import { systemRandom } from "../../../core/random.ts";
import { redisPlacementLease, redisWantedModels } from "../../../core/store/placement/redis.ts";
import { RedisConnection } from "../../../core/store/redis-connection.ts";
import { startRedis } from "../../support/real-servers.ts";
import { LogBook } from "../../unit/node-agent/hosting-rig.ts";
import { placementLeaseContract } from "../placement-lease.ts";
import { load, losingWantedModelsContract } from "../wanted-models.ts";
import { redisRig } from "./redis-rig.ts";
import { untilConnected } from "./until-connected.ts";

const redis = redisRig();

describe("the lease in Redis", () => {
  placementLeaseContract(async () => {
    const stack = new AsyncDisposableStack();
    return {
      ...redis.faults,
      connect: async () => redisPlacementLease(stack.use(await redis.connected())),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  });

  test("ends by the server's own clock", async () => {
    await using connection = await redis.connected();
    const lease = redisPlacementLease(connection);
    await lease.hold({ holder: "a", ttlMs: 100, fenceMin: 0 });
    for (;;) {
      const answer = await lease.hold({ holder: "b", ttlMs: 60_000, fenceMin: 0 });
      if (answer.kind === "held") break;
      expect(answer.leftMs).toBeLessThanOrEqual(100);
      await new Promise<void>((resolve) => void systemClock.after(answer.leftMs + 1, resolve));
    }
    expect((await lease.hold({ holder: "a", ttlMs: 100, fenceMin: 0 })).kind).toBe("taken");
  });
});

describe("the lease in a Redis whose clock was set", () => {
  const claim = (holder: string) => ({ holder, ttlMs: 60_000, fenceMin: 0 });

  test("back an hour is free a whole term later at most", async () => {
    await using connection = await redis.connected();
    const lease = redisPlacementLease(connection);
    await lease.hold(claim("a"));
    await redis.command("PEXPIRE", "nereid:placement:lease", String(3_660_000)); // what that does to it
    const answer = await lease.hold(claim("b"));
    expect(answer).toEqual({ kind: "taken", leftMs: 60_000 });
    expect(Number(await redis.command("PTTL", "nereid:placement:lease"))).toBeLessThanOrEqual(60_000);
  });

  test("forwards an hour goes to who asks first, with a higher fence than its holder's", async () => {
    await using connection = await redis.connected();
    const lease = redisPlacementLease(connection);
    const first = await lease.hold(claim("a"));
    await redis.command("PEXPIRE", "nereid:placement:lease", "-1");
    const second = await lease.hold(claim("b"));
    expect([first.kind, second.kind]).toEqual(["held", "held"]);
    if (first.kind === "held" && second.kind === "held") expect(second.fence).toBeGreaterThan(first.fence);
  });
});

describe("wanted models in Redis", () => {
  losingWantedModelsContract(async () => {
    const stack = new AsyncDisposableStack();
    return {
      wipe: redis.faults.wipe,
      connect: async () => redisWantedModels(stack.use(await redis.connected())),
      keep: async () => {
        const keys = await redis.command("KEYS", "*");
        const kept = keys.map((key) => [key, `${key}:kept`] as const);
        for (const [key, copy] of kept) await redis.command("COPY", key, copy);
        return async () => {
          for (const [key, copy] of kept) await redis.command("COPY", copy, key, "REPLACE");
        };
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  });
});

describe("a Redis in trouble", () => {
  const wanted = { current: load(1), gone: [] };

  test("that is killed and started again has kept what was written, is found again, and learns its scripts again", async () => {
    await using server = await startRedis("appendfsync always");
    await using connection = await redis.connected(server.url);
    const store = redisWantedModels(connection);
    expect(await store.change("m", 0, wanted)).toBe(true);
    const before = await store.read(undefined);
    const gone = new Promise<void>((resolve) => void connection.onConnection((up) => up || resolve()));
    await server.kill();
    await gone;
    await expect(store.read(before)).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "store_unavailable" });
    await server.start();
    await untilConnected(connection);
    expect(await store.read(before)).toBeUndefined();
    expect(await store.change("m", 1, wanted)).toBe(true);
  });

  test("that answers too late is unavailable after 100 ms, long before the server answers", async () => {
    await using connection = await redis.connected(redis.server().url, 100);
    await using patient = await redis.connected();
    redis.server().pause();
    let answered = false;
    const answer = redisWantedModels(patient)
      .read(undefined)
      .then(() => {
        answered = true;
      });
    const startedMs = systemClock.now();
    await expect(redisWantedModels(connection).read(undefined)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("try again"),
    });
    expect(systemClock.now() - startedMs).toBeGreaterThan(95);
    expect(answered).toBe(false);
    redis.server().resume();
    await answer;
  });

  test("whose user may not run scripts says what to check, without the password", async () => {
    await redis.command("ACL", "SETUSER", "reader", "on", ">s3cret", "~*", "+get");
    const { host } = new URL(redis.server().url);
    await using connection = await redis.connected(`redis://reader:s3cret@${host}`);
    const refused = await redisWantedModels(connection)
      .read(undefined)
      .catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: "PERMISSION_DENIED", message: expect.stringContaining("check its ACL user") });
    expect(String(refused)).not.toContain("s3cret");
  });

  test("that is not there fails at once, and is told about once", async () => {
    const quiet = new LogBook();
    await using connection = new RedisConnection({ url: "redis://127.0.0.1:1" }, { random: systemRandom, logger: quiet.logger });
    await expect(redisPlacementLease(connection).hold({ holder: "a", ttlMs: 100, fenceMin: 0 })).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
    expect(connection.connected).toBe(false);
  });
});
