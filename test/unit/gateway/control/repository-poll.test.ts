/** A repository that is polled is served as it is: new, changed and gone models are noticed, nothing is loaded twice. */
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { modelName, replicaId } from "../../../../core/ids.ts";
import type { FolderPlan } from "../../../../gateway/control/model-folders.ts";
import { RepositoryPoll } from "../../../../gateway/control/repository-poll.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";

const PERIOD_MS = 1_000;

function desiredModel(name: string) {
  const model = modelName(name);
  return { replica: replicaId(model, "1", 1), model, version: "1", source: "", config: "", bytes: 0 };
}

function rig() {
  const clock = new FakeClock();
  const log = new LogBook();
  /** By model its fingerprint; undefined: it cannot be read. */
  const folders = new Map<string, string | undefined>();
  const calls: string[] = [];
  const wanted = new Set<string>();
  /** Models whose loads and unloads fail. */
  const failing = new Set<string>();
  /** Loads that wait for it. */
  const held = new Map<string, Promise<void>>();
  let away = false;
  const poll = new RepositoryPoll({
    folders: {
      ambiguous: async () => [],
      names: async () => {
        if (away) throw new ServingError("UNAVAILABLE", "no folder");
        return [...folders.keys()];
      },
      plan: async (model): Promise<FolderPlan> => {
        const fingerprint = folders.get(model);
        if (fingerprint === undefined) throw new ServingError("INVALID_ARGUMENT", "broken text");
        return { fingerprint, versions: ["1"], source: "", config: "", copies: 1, bytes: 0 };
      },
    },
    control: {
      async take(name) {
        calls.push(`take ${name}`);
        await held.get(name);
        if (failing.has(name)) throw new ServingError("INVALID_ARGUMENT", `${name} is broken`);
        wanted.add(name);
      },
      async drop(name) {
        calls.push(`drop ${name}`);
        if (failing.has(name)) throw new ServingError("UNAVAILABLE", "the store is away");
        wanted.delete(name);
      },
      desired: () => ({
        replicas: [],
        models: [...wanted].map((model) => desiredModel(model)),
      }),
    },
    clock,
    logger: log.logger,
    periodMs: PERIOD_MS,
    except: new Set(["preset"]),
  });
  const look = async () => {
    calls.length = 0;
    await clock.pass(PERIOD_MS);
    return calls.splice(0);
  };
  return {
    clock,
    log,
    folders,
    failing,
    held,
    look,
    poll,
    leave(is: boolean) {
      away = is;
    },
  };
}

test("new models are loaded, changed ones again, those that are gone unloaded, and others left alone", async () => {
  const { folders, look } = rig();
  folders.set("a", "1").set("b", "1").set("preset", "1");
  expect(await look()).toEqual(["take a", "take b"]);
  expect(await look()).toEqual([]);
  folders.set("b", "2").set("c", "1");
  expect(await look()).toEqual(["take b", "take c"]);
  folders.delete("a");
  expect(await look()).toEqual(["drop a"]);
  expect(await look()).toEqual([]);
});

test("a model that fails is not tried again until something changes, then with all that are missing", async () => {
  const { folders, failing, look, log } = rig();
  failing.add("ensemble");
  folders.set("ensemble", "1").set("text", undefined);
  expect(await look()).toEqual(["take ensemble", "take text"]);
  expect(log.lines).toContain("warn a model cannot be loaded: ensemble is broken");
  expect(await look()).toEqual([]);
  failing.clear();
  folders.set("member", "1");
  expect(await look()).toEqual(["take ensemble", "take member"]);
  failing.add("gone");
  folders.set("gone", "1");
  await look();
  folders.delete("gone");
  expect(await look()).toEqual(["drop gone"]);
});

test("a model that waits for a node keeps no other from being loaded, and is loaded anew when it has changed", async () => {
  const { folders, held, look, log } = rig();
  const first = Promise.withResolvers<void>();
  held.set("waits", first.promise);
  folders.set("waits", "1");
  expect(await look()).toEqual(["take waits"]);
  folders.set("other", "1");
  expect(await look()).toEqual(["take other"]);
  folders.set("waits", "2");
  held.delete("waits");
  expect(await look()).toEqual(["take waits"]);
  first.reject(new ServingError("INVALID_ARGUMENT", "a newer operation has been applied"));
  expect(await look()).toEqual([]);
  expect(log.lines).toEqual([]);
});

test("while the repository cannot be read what serves goes on, and it is looked at again", async () => {
  const { folders, look, log, leave } = rig();
  folders.set("a", "1");
  await look();
  leave(true);
  expect(await look()).toEqual([]);
  expect(log.lines.at(-1)).toContain("the repository cannot be read");
  leave(false);
  folders.set("b", "1");
  expect(await look()).toEqual(["take b"]);
});

test("a model that goes while the store is away is unloaded at the next look, once", async () => {
  const { folders, failing, look } = rig();
  folders.set("a", "1");
  await look();
  folders.delete("a");
  failing.add("a");
  expect(await look()).toEqual(["drop a"]);
  failing.delete("a");
  expect(await look()).toEqual(["drop a"]);
  expect(await look()).toEqual([]);
});

test("it stops looking when it is closed", async () => {
  const { clock, folders, look, poll } = rig();
  folders.set("a", "1");
  poll[Symbol.dispose]();
  expect(await look()).toEqual([]);
  expect(clock.pending).toBe(0);
});
