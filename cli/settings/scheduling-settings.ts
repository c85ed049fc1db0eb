/** Settings of how nodes run whole models, with Triton's names and defaults. Pure. */
import { type ResourceLimit, SCHEDULING_DEFAULTS, type SchedulingOptions } from "../../core/scheduling-options.ts";
import { manyOf, oneOf, type SettingKind, setting, wholeNumber, yesNo } from "../../core/settings.ts";

const resource: SettingKind<ResourceLimit> = {
  allowed: "NAME:COUNT, or NAME:COUNT:DEVICE",
  parse: (value) => {
    const [, name, count, device] = /^([^:]+):(\d{1,9})(?::(\d{1,4}))?$/.exec(value) ?? [];
    if (name === undefined) return undefined;
    return { name, count: Number(count), device: device === undefined ? undefined : Number(device) };
  },
};

const requests = wholeNumber(0, 1_000_000);

/** A row for each option, and no other. */
export const SCHEDULING_SETTINGS = {
  rateLimit: setting<SchedulingOptions["rateLimit"]>({
    kind: oneOf(["off", "execution_count"]),
    fallback: SCHEDULING_DEFAULTS.rateLimit,
    help: "whether instances wait for the resources that their rate_limiter names",
  }),
  rateLimitResource: setting({
    kind: manyOf(resource),
    fallback: SCHEDULING_DEFAULTS.rateLimitResource,
    help: "what there is of a resource on each node; of others as much as the neediest instance needs",
  }),
  disableAutoCompleteConfig: setting({
    kind: yesNo(),
    fallback: SCHEDULING_DEFAULTS.disableAutoCompleteConfig,
    aliases: ["strictModelConfig"],
    help: "configurations must be complete",
  }),
  delayScheduler: setting({
    kind: requests,
    environment: "TRITONSERVER_DELAY_SCHEDULER",
    fallback: SCHEDULING_DEFAULTS.delayScheduler,
    help: "requests that must wait before a model's first batch, for tests of batching",
  }),
  backlogDelayScheduler: setting({
    kind: requests,
    environment: "TRITONSERVER_BACKLOG_DELAY_SCHEDULER",
    fallback: SCHEDULING_DEFAULTS.backlogDelayScheduler,
    help: "the same for sequences that wait for a place",
  }),
};
