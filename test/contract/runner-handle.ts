/** What every runner promises its agent; `runner-handle.test.ts` runs it on scripted ones, `test/engine/runner` on processes. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { OpenShard, RunnerFactory, RunnerHandle } from "../../core/wire/runner-handle.ts";
import type { Wire } from "../../core/wire/wire.ts";

const NEVER = new AbortController().signal;

/** Where runners are started. */
export interface RunnerWorld extends AsyncDisposable {
  readonly factory: RunnerFactory;
  readonly wire: Wire;
  /** A shard with one stage that opens. */
  readonly shard: OpenShard;
  /** Opens something that cannot be opened. */
  openBroken(runner: RunnerHandle, signal: AbortSignal): Promise<unknown>;
}

export function runnerHandleContract(open: () => Promise<RunnerWorld>): void {
  let world: RunnerWorld;
  let started: RunnerHandle[];
  const start = (): RunnerHandle => {
    const runner = world.factory.start();
    started.push(runner);
    return runner;
  };
  beforeEach(async () => {
    world = await open();
    started = [];
  });
  afterEach(async () => {
    await Promise.all(started.map((runner) => runner.close()));
    await world[Symbol.asyncDispose]();
  });

  test("an opened runner says where it listens and what it needs", async () => {
    const opened = await start().open(world.shard, NEVER);
    expect(opened.address).toMatch(/^(unix:|tcp:)/);
    expect([1, 2]).toContain(opened.decodeRowsMin);
    expect(opened.residentBytes).toBeGreaterThan(0);
  });

  test("what is known of a shard is not found out again", async () => {
    const known = { decodeRowsMin: 2, replaysAtOnce: false };
    expect(await start().open({ ...world.shard, known }, NEVER)).toMatchObject(known);
  });

  test("no two runners have the same incarnation", () => {
    expect(new Set([start(), start(), start()].map((runner) => runner.incarnation)).size).toBe(3);
  });

  test("what cannot be opened is refused, and the runner can still be closed", async () => {
    const runner = start();
    await expect(world.openBroken(runner, NEVER)).rejects.toMatchObject({ name: "ServingError" });
    await runner.close();
    await runner.exited;
  });

  test("a runner opens one shard only, and connects after that only", async () => {
    const runner = start();
    const to = { epoch: 1, next: world.wire.address };
    await expect(runner.connect(to, NEVER)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    await runner.open(world.shard, NEVER);
    await expect(runner.open(world.shard, NEVER)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    await runner.connect(to, NEVER);
    await expect(runner.connect(to, NEVER)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
  });

  test("connecting to an address where nobody listens says so", async () => {
    const runner = start();
    await runner.open(world.shard, NEVER);
    await expect(runner.connect({ epoch: 1, next: "unix:/tmp/nobody" }, NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await runner.connect({ epoch: 2, next: world.wire.address }, NEVER);
  });

  test("a killed runner has exited by the signal, and does nothing any more", async () => {
    const runner = start();
    await runner.open(world.shard, NEVER);
    runner.kill();
    expect(await runner.exited).toMatchObject({ code: undefined, signal: "SIGKILL" });
    await expect(runner.connect({ epoch: 1, next: world.wire.address }, NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    runner.kill();
    await runner.close();
  });

  test("closing ends a runner without a signal, once, however often it is called", async () => {
    const runner = start();
    await runner.open(world.shard, NEVER);
    await Promise.all([runner.close(), runner.close()]);
    await runner.close();
    expect(await runner.exited).toMatchObject({ code: 0, signal: undefined });
  });

  test("a runner that dies while it opens a shard makes that unavailable", async () => {
    const runner = start();
    const opening = expect(runner.open(world.shard, NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    runner.kill();
    await opening;
  });

  test("opening ends with the signal's reason", async () => {
    const controller = new AbortController();
    const opening = expect(start().open(world.shard, controller.signal)).rejects.toBe("too slow");
    controller.abort("too slow");
    await opening;
    await expect(start().open(world.shard, AbortSignal.abort("at once"))).rejects.toBe("at once");
  });
}
