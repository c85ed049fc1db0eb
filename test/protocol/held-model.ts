/** A model whose processes stand still: what is sent to it queues up for as long as a test likes, whatever the machine's speed. */
import type { ModelCluster } from "../cluster/whole-models/model-cluster.ts";
import { eventually } from "../cluster/whole-models/model-cluster.ts";

export class HeldModel implements Disposable {
  readonly pids: readonly number[];

  private constructor(pids: readonly number[]) {
    this.pids = pids;
  }

  /** Loads a model of an explicit repository, and stops its processes. */
  static async load(cluster: ModelCluster, model: string, instances = 1): Promise<HeldModel> {
    const before = new Set(cluster.runnerPids());
    await cluster.client.loadModel(model);
    const pids = await eventually(
      () => cluster.runnerPids().filter((pid) => !before.has(pid)),
      (found) => found.length === instances,
    );
    const held = new HeldModel(pids);
    held.stop();
    return held;
  }

  stop(): void {
    for (const pid of this.pids) process.kill(pid, "SIGSTOP");
  }

  goOn(pids = this.pids): void {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }

  [Symbol.dispose](): void {
    this.goOn();
  }
}
