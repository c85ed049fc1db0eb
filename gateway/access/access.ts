/** Who may call a route, and the group that Triton's restrictions know it by: every route declares both. Pure. */

export const ACCESS_CLASSES = ["public", "inference", "model-read", "control", "metrics"] as const;

export type AccessClass = (typeof ACCESS_CLASSES)[number];

/** Triton's, of `--http-restricted-api` and `--grpc-restricted-protocol`. */
export const API_GROUPS = [
  "health",
  "metadata",
  "inference",
  "shared-memory",
  "model-config",
  "model-repository",
  "statistics",
  "trace",
  "logging",
] as const;

export type ApiGroup = (typeof API_GROUPS)[number];

export interface Access {
  readonly access: AccessClass;
  /** undefined: nothing that Triton has. */
  readonly group: ApiGroup | undefined;
}

export const isPublic = (group?: ApiGroup): Access => ({ access: "public", group });
export const reads = (group: ApiGroup): Access => ({ access: "model-read", group });
export const controls = (group: ApiGroup): Access => ({ access: "control", group });
export const INFERS: Access = { access: "inference", group: "inference" };
export const READS_METRICS: Access = { access: "metrics", group: undefined };
