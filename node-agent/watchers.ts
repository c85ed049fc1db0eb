/** The gateways that hear this node's heartbeats over their links as well: what they know of it does not hang on the broker. */
import type { LinkStream } from "../core/link/link.ts";
import { answerFrames, encodeAnswer } from "../core/messages/answer-codec.ts";

export class Watchers {
  readonly #streams = new Set<LinkStream>();

  get count(): number {
    return this.#streams.size;
  }

  add(stream: LinkStream): void {
    stream.write(encodeAnswer({ kind: "accepted", queued: 0 }));
    this.#streams.add(stream);
    stream.listen({ frame: () => stream.consumed(1), ended: () => this.#streams.delete(stream) });
  }

  /** A gateway that has not read the last ones is left out: the next heartbeat says it all again. @param heartbeat its last byte ends it */
  tell(heartbeat: Uint8Array): void {
    if (this.#streams.size === 0) return;
    const frames = answerFrames({ kind: "part", bytes: heartbeat });
    for (const stream of this.#streams) {
      if (stream.credit < frames.length) continue;
      for (const frame of frames) stream.write(frame);
    }
  }
}
