/** Both ends of a link in memory, and of its streams. */
import type { Link, LinkStream, StreamEnd } from "../../../core/link/link.ts";
import { MemoryLinks } from "../../../core/link/memory.ts";
import { decodeAnswer } from "../../../core/messages/answer-codec.ts";
import type { AnswerFrame } from "../../../core/messages/generation.ts";
import { seededRandom } from "../../../core/random.ts";
import type { FakeClock } from "../../support/fake-clock.ts";

/** A gateway's end of a stream: takes frames, and gives their credit back unless it is told to hold it. */
export class GatewayEnd {
  readonly stream: LinkStream;
  readonly frames: AnswerFrame[] = [];
  end: StreamEnd | undefined;
  reads = true;
  #unread = 0;

  constructor(stream: LinkStream) {
    this.stream = stream;
    stream.listen({
      frame: (payload) => {
        this.frames.push(decodeAnswer(payload));
        this.#unread += 1;
        if (this.reads) this.read();
      },
      ended: (end) => {
        this.end = end;
      },
    });
  }

  /** Gives the credit back of frames that came. */
  read(count = this.#unread): void {
    this.#unread -= count;
    this.stream.consumed(count);
  }

  get kinds(): readonly string[] {
    return this.frames.map(({ kind }) => kind);
  }

  /** Ids of all tokens, in order. */
  get ids(): readonly number[] {
    return this.frames.flatMap((frame) => (frame.kind === "tokens" ? frame.tokens.map(({ id }) => id) : []));
  }
}

export interface LinkPair {
  readonly links: MemoryLinks;
  readonly gateway: Link;
  readonly agent: Link;
}

export async function linkPair(clock: FakeClock): Promise<LinkPair> {
  const links = new MemoryLinks({ clock, random: seededRandom(1n) });
  const { promise, resolve } = Promise.withResolvers<Link>();
  const listener = await links.listen(resolve);
  const gateway = await links.dial(listener.address, new AbortController().signal);
  return { links, gateway, agent: await promise };
}
