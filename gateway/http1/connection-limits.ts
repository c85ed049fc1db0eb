/** How long and how much a server waits for on one connection. */
export interface ConnectionLimits {
  /** Of a body, also once it is inflated. */
  readonly bodyBytesMax: number;
  readonly headersMsMax: number;
  readonly requestMsMax: number;
  readonly bodyIdleMsMax: number;
  readonly unreadMsMax: number;
}
