/** Sends an answer that is one whole in parts, as fast as its reader takes them, and ends the stream. */
import { answerFrames } from "../messages/answer-codec.ts";
import type { LinkStream } from "./link.ts";

/** The stream's listener is replaced; a reset by the reader ends the sending. */
export function sendWhole(stream: LinkStream, bytes: Uint8Array): void {
  const frames = answerFrames({ kind: "part", bytes });
  let sent = 0;
  const sendOn = () => {
    while (stream.credit > 0 && sent < frames.length) {
      const frame = frames[sent++];
      if (frame !== undefined) stream.write(frame);
    }
    if (sent === frames.length) stream.end();
  };
  stream.listen({ frame: () => stream.consumed(1), ended: () => {}, writable: sendOn });
  sendOn();
}
