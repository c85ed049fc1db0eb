/** Which instances of an engine may execute now, where the node's resources are counted; all of them where they are not. */
import type { RatedInstance } from "../../scheduling/rate-limiter.ts";
import type { ExecutionGate, GatePass } from "./execution-gate.ts";

const NEEDS_NOTHING: RatedInstance = { needs: [], priority: 1, device: 0 };

interface Pass {
  readonly gate: GatePass;
  state: "none" | "waiting" | "granted" | "executing";
}

export class InstancePasses {
  readonly #passes: readonly Pass[];

  /**
   * @param onGranted one that waited may execute now
   * @throws ServingError INVALID_ARGUMENT when an instance could never execute
   */
  constructor(
    gate: ExecutionGate | undefined,
    options: { readonly rates: readonly RatedInstance[]; readonly instances: number; readonly onGranted: () => void },
  ) {
    const { rates, instances, onGranted } = options;
    const passes: Pass[] = [];
    for (let number = 0; gate !== undefined && number < instances; number++) {
      const granted = () => {
        const pass = passes[number];
        if (pass !== undefined) pass.state = "granted";
        onGranted();
      };
      passes.push({ gate: gate.enter(rates[number] ?? NEEDS_NOTHING, granted), state: "none" });
    }
    this.#passes = passes;
  }

  /** @returns whether the instance may execute now; if not, it waits for that */
  admit(instance: number): boolean {
    const pass = this.#passes[instance];
    if (pass === undefined) return true;
    if (pass.state === "none") {
      pass.state = "waiting";
      pass.gate.want(); // may grant at once
    }
    return pass.state === "granted";
  }

  execute(instance: number): void {
    const pass = this.#passes[instance];
    if (pass !== undefined) pass.state = "executing";
  }

  /** It has executed. */
  leave(instance: number): void {
    const pass = this.#passes[instance];
    if (pass?.state !== "executing") return;
    pass.state = "none";
    pass.gate.leave();
  }

  /** Nothing is left to execute: nobody waits or holds on. */
  rest(): void {
    for (const pass of this.#passes) {
      const { state } = pass;
      if (state === "none" || state === "executing") continue;
      pass.state = "none";
      if (state === "waiting") pass.gate.unwant();
      else pass.gate.leave();
    }
  }

  close(): void {
    for (const { gate } of this.#passes) gate.close();
  }
}
