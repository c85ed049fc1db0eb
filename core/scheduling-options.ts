/** How a node runs whole models: what the command line reads and an agent obeys. Named as Triton's flags where it has them. Pure. */

/** `--rate-limit-resource=name:count[:device]`. */
export interface ResourceLimit {
  readonly name: string;
  readonly count: number;
  /** undefined: this much on every device, or of a global resource. */
  readonly device: number | undefined;
}

export interface SchedulingOptions {
  /** `execution_count`: instances wait for the resources that they need; `off`: resources and priorities are not looked at. */
  readonly rateLimit: "off" | "execution_count";
  /** What there is on the node; of a resource that is not named, as much as the neediest instance needs. */
  readonly rateLimitResource: readonly ResourceLimit[];
  /** Nothing runs before so many requests wait, once for each model; makes batches foreseeable in tests. 0: at once. */
  readonly delayScheduler: number;
  /** The same for sequences that wait for a place. */
  readonly backlogDelayScheduler: number;
  /** Configurations must say all that a model file says. */
  readonly disableAutoCompleteConfig: boolean;
}

export const SCHEDULING_DEFAULTS: SchedulingOptions = {
  rateLimit: "off",
  rateLimitResource: [],
  delayScheduler: 0,
  backlogDelayScheduler: 0,
  disableAutoCompleteConfig: false,
};
