/** Paths of the HTTP protocol. Names go percent-encoded. Pure. */

/** @param rest with its leading slash, or empty */
export function modelPath(model: string, version: string | undefined, rest: string): string {
  const versioned = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  return `/v2/models/${encodeURIComponent(model)}${versioned}${rest}`;
}

export function repositoryPath(model: string, act: "load" | "unload"): string {
  return `/v2/repository/models/${encodeURIComponent(model)}/${act}`;
}

export function regionPath(name: string | undefined, act: "status" | "register" | "unregister"): string {
  return `/v2/systemsharedmemory${name === undefined ? "" : `/region/${encodeURIComponent(name)}`}/${act}`;
}

export function tracePath(model: string | undefined): string {
  return model === undefined ? "/v2/trace/setting" : `/v2/models/${encodeURIComponent(model)}/trace/setting`;
}
