/** A kind of fault, and what faults are made of. */
import type { ScriptedRunner } from "../../support/scripted/scripted-runner.ts";
import type { Dice } from "./dice.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";

export interface FaultKind {
  /** How often it comes, against the others. */
  readonly weight: number;
  /** Begins it. @returns what to print; undefined when there is nothing that it could hit. */
  begin(): string | undefined;
}

/** What a fault is made of. */
export interface FaultTools {
  readonly cluster: SimulatedCluster;
  readonly dice: Dice;
  /** Calls `undo` after a while, or when all is healed. @returns what to print */
  lasting(what: string, lengthMs: number, undo: () => void): string;
  /** Runners that have been told to hang. */
  readonly hanging: Set<ScriptedRunner>;
}
