/** How requests reach a server, one at a time on each channel. */

/** What becomes of a request. Reused from request to request: a load makes no objects while it runs. */
export interface Call {
  /** A part of a streamed answer, with so many tokens. */
  part(tokens: number): void;
  /** The answer is whole, or why there is none. */
  ended(failure: string | undefined): void;
}

export interface Channel {
  /** Sends one of the prepared requests: the first again after the last. The call before must have ended. */
  send(request: number, call: Call): void;
}

/** A server with requests prepared for it. */
export interface Target extends AsyncDisposable {
  /** @throws ServingError UNAVAILABLE when nobody answers */
  open(signal: AbortSignal): Promise<Channel>;
}
