/**
 * The link: one connection between a gateway and an agent, dialed by the gateway, with many streams over it. Carries answers,
 * token streams and large bodies. Adapters: `memory.ts` (and TCP); all pass `test/contract/link.ts`.
 *
 * A stream has a number chosen by who begins it, counting up within a link session: gateways count from 0, agents, which begin the
 * streams of calls, from CALL_NUMBERS_FROM. Opening a stream sends nothing: the submit
 * that starts it may travel on the bus with (session, number) in it, and the agent then opens its end of the same stream by
 * that number. Or the submit is the stream's first frame, and the agent is told by `onStream`.
 */

/** Numbers of the streams that agents begin: far beyond what gateways count up to. */
export const CALL_NUMBERS_FROM = 2 ** 47;

/** How many frames may be under way in each direction before a writer has to wait. */
export const STREAM_CREDIT = { tensor: 16, tokens: 64 } as const;
export const FRAME_BYTES_MAX = 64 * 1024;
/** A link that brings nothing for so long is dead; both ends see to it that there is something to bring. */
export const LINK_SILENCE_MS = 1_500;
/** One that has brought nothing for so long may be dead: whoever has another way may take it. Later where silences are usual. */
export const LINK_SUSPECT_MS = 500;

export type StreamKind = keyof typeof STREAM_CREDIT;

/** Why a stream ended: `end` both sides said all, `reset` one side wants no more, `lost` the link is gone. */
export type StreamEnd = { readonly kind: "end" } | { readonly kind: "reset"; readonly reason: string } | { readonly kind: "lost" };

export interface StreamListener {
  /** One frame; it is the listener's. The frame's credit goes back to the writer when the listener calls `consumed`. */
  frame(payload: Uint8Array): void;
  /** Called once, unless this end has reset the stream; nothing follows. */
  ended(end: StreamEnd): void;
  /** The peer has read: `credit` frames may be written again. */
  writable?(credit: number): void;
  /** The link has been silent for LINK_SUSPECT_MS or longer; frames may follow all the same. */
  suspected?(): void;
  /** It is not silent any more. */
  trusted?(): void;
}

export interface LinkStream {
  readonly number: number;
  /** Frames that may be written now. */
  readonly credit: number;
  /** Where frames go from now on; those that nobody has taken yet are delivered first. A later call replaces the listener. */
  listen(listener: StreamListener): void;
  /**
   * Sends one frame; the payload is the link's from here on. After the end of the stream it is dropped.
   * @throws ServingError RESOURCE_EXHAUSTED when no credit is left or the frame is too large: the writer did not look.
   */
  write(payload: Uint8Array): void;
  /** `count` received frames have been dealt with. Credit goes back to the writer a quarter of the window at a time. */
  consumed(count: number): void;
  /** No more frames from here. */
  end(): void;
  /** Wants no more: both directions stop at once. */
  reset(reason: string): void;
}

export interface Link {
  /** Differs for every connection ever made; both ends know it. */
  readonly session: string;
  /** This end of the stream `number`. One that is over already, or whose link is gone, tells its listener so at once. */
  open(number: number, kind: StreamKind): LinkStream;
  /**
   * A frame, or a reset, came for a stream that this end has not opened. The listener opens it before it returns; else the
   * stream is reset.
   */
  onStream(listener: (number: number) => void): void;
  /** Streams that are open at this end. */
  readonly streams: number;
  /** Resolves when the connection is gone, with the reason. */
  readonly closed: Promise<string>;
  close(): void;
}

export interface LinkListener extends AsyncDisposable {
  /** What gateways dial. */
  readonly address: string;
}

export interface LinkNetwork {
  /** @throws ServingError UNAVAILABLE when nobody answers there. */
  dial(address: string, signal: AbortSignal): Promise<Link>;
  listen(onLink: (link: Link) => void): Promise<LinkListener>;
}
