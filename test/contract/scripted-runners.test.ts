import { expect, test } from "vitest";
import { modelName, replicaId } from "../../core/ids.ts";
import { GREEDY } from "../../core/model/sampling-parameters.ts";
import type { OpenShard } from "../../core/wire/runner-handle.ts";
import type { Step } from "../../core/wire/step.ts";
import { FakeClock, turns } from "../support/fake-clock.ts";
import { ScriptedRunners } from "../support/scripted/scripted-runners.ts";
import { ScriptedStage, scriptedTokens } from "../support/scripted/scripted-stage.ts";

const NEVER = new AbortController().signal;
const SHARD: OpenShard = { folder: "/s", replica: replicaId(modelName("m"), "1", 0), slots: 2, contextLength: 64, threads: 1 };
const PROMPT = [3, 1, 4, 1, 5];
const prompt = (step: number): Step => ({
  epoch: 1,
  step,
  releases: [],
  copies: [],
  admissions: [{ slot: 0, choice: 0, sampling: GREEDY, promptIds: new Int32Array(), outputIds: new Int32Array() }],
  run: { kind: "prefill", slot: 0, past: 0, tokens: Int32Array.from(PROMPT), sample: { row: 4, position: 0 } },
});

/** Two stages that take 10 and 20 ms a step. */
async function twoStages() {
  const clock = new FakeClock();
  const hub = new ScriptedRunners({ clock, runMs: (_, shard) => (shard.folder === "/0" ? 10 : 20) });
  const wire = hub.openWire();
  const runners = [hub.start(), hub.start()];
  const heard: string[] = [];
  const settle = async <T>(promise: Promise<T>): Promise<T> => {
    for (let round = 0; round < 4; round++) {
      clock.advance(0);
      await turns(2);
    }
    return await promise;
  };
  const opened = await settle(Promise.all(runners.map((runner, stage) => runner.open({ ...SHARD, folder: `/${stage}` }, NEVER))));
  const [first = "", second = ""] = opened.map(({ address }) => address);
  const pipeline = await settle(
    (async () => {
      const joining = wire.join(
        { replica: SHARD.replica, epoch: 1, first },
        {
          result: ({ step, stageUs }) => heard.push(`${clock.now()} ms: step ${step}, ${stageUs} us`),
          broken: ({ message }) => heard.push(`${clock.now()} ms: ${message}`),
        },
        NEVER,
      );
      await Promise.all([
        runners[0]?.connect({ epoch: 1, next: second }, NEVER),
        runners[1]?.connect({ epoch: 1, next: wire.address }, NEVER),
      ]);
      return await joining;
    })(),
  );
  return { clock, hub, runners, pipeline, heard };
}

test("stages work side by side: the slower one sets the pace", async () => {
  const { clock, pipeline, heard, hub } = await twoStages();
  for (const step of [0, 1, 2]) pipeline.submit(prompt(step));
  clock.advance(200);
  expect(heard).toEqual(["30 ms: step 0, 10000,20000 us", "50 ms: step 1, 10000,20000 us", "70 ms: step 2, 10000,20000 us"]);
  expect(hub.violations).toEqual([]);
});

test("a runner stalls, fails or dies on command", async () => {
  const { clock, pipeline, heard, runners } = await twoStages();
  runners[1]?.stall(100);
  pipeline.submit(prompt(0));
  clock.advance(129);
  expect(heard).toEqual([]);
  clock.advance(1);
  expect(heard).toEqual(["130 ms: step 0, 10000,120000 us"]);
  runners[0]?.failStep("a kernel gave up");
  pipeline.submit(prompt(1));
  clock.advance(100);
  expect(heard.at(-1)).toBe("130 ms: a stage failed in step 1: a kernel gave up");
  runners[1]?.kill();
  clock.advance(0);
  expect(await runners[1]?.exited).toMatchObject({ signal: "SIGKILL" });
});

test("a lead that breaks a rule is told, and the hub remembers", async () => {
  const { clock, pipeline, heard, hub } = await twoStages();
  pipeline.submit(prompt(0));
  pipeline.submit(prompt(2));
  clock.advance(100);
  expect(heard.at(-1)).toMatch(/step 2 arrived where step 1 belongs/);
  expect(hub.violations).toHaveLength(1);
});

test("any token lost, repeated, moved or drawn with another seed or choice changes the text", () => {
  const right = scriptedTokens(PROMPT, 8, { seed: 1n, choice: 0 });
  const others = [
    scriptedTokens(PROMPT.slice(1), 8, { seed: 1n, choice: 0 }),
    scriptedTokens([...PROMPT, 5], 8, { seed: 1n, choice: 0 }),
    scriptedTokens([1, 3, 4, 1, 5], 8, { seed: 1n, choice: 0 }),
    scriptedTokens(PROMPT, 8, { seed: 2n ** 32n + 1n, choice: 0 }),
    scriptedTokens(PROMPT, 8, { seed: 1n, choice: 1 }),
  ];
  for (const other of others) expect(other).not.toEqual(right);
  expect(scriptedTokens(PROMPT, 8, { seed: 1n, choice: 0 })).toEqual(right);
});

test("an idle row that writes into a slot that holds something else shows in the text", () => {
  const stage = new ScriptedStage({ slots: 2, contextLength: 64, vocabSize: 1000 });
  const [first = 0, second] = scriptedTokens(PROMPT, 2, { seed: 0n, choice: 0 });
  stage.run(prompt(0));
  const idle = { token: 0, past: 2, position: undefined };
  stage.run({ ...prompt(1), admissions: [], run: { kind: "decode", firstSlot: 0, rows: [idle] } });
  const next = {
    ...prompt(2),
    admissions: [],
    run: { kind: "decode", firstSlot: 0, rows: [{ token: first, past: 5, position: 1 }] },
  } as const;
  expect(() => stage.run(next)).toThrow(/slot 0 holds 3 tokens, the step needs 5/);
  const again = new ScriptedStage({ slots: 2, contextLength: 64, vocabSize: 1000 });
  again.run(prompt(0));
  expect(again.run({ ...next, step: 1 })[0]?.id).toBe(second);
});
