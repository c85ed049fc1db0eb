/** A stream that is explained says where it has moved since its head: as a comment, which clients of server-sent events pass over. */
import type { RouteExplanation } from "../routing/route-explanation.ts";
import type { EventAnswer } from "./route.ts";

export async function* withMoves(frames: EventAnswer["frames"], explanation: RouteExplanation): AsyncGenerator<string> {
  for await (const frame of frames) {
    const moves = explanation.moves();
    yield moves === undefined ? frame : `: nereid-move ${moves}\n\n${frame}`;
  }
}
