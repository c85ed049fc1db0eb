/** Brings placement's commands to agents: over the bus, over their links what is too large for it, and all while it is away. */
import type { Bus } from "../../core/bus/bus.ts";
import type { NodeId } from "../../core/ids.ts";
import type { ControlMessage } from "../../core/messages/control.ts";
import { encodeJson } from "../../core/messages/json-message.ts";
import { SUBJECTS } from "../../core/messages/subjects.ts";
import type { NodeWatch } from "./node-watch.ts";

export function nodeTeller(bus: Bus, links: Pick<NodeWatch, "tell">): (node: NodeId, message: ControlMessage) => void {
  return (node, message) => {
    const bytes = encodeJson(message);
    if (bus.connected && bytes.byteLength <= bus.payloadBytesMax) bus.publish(SUBJECTS.control(node), bytes);
    else links.tell(node, bytes);
  };
}
