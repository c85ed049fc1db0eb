/** The bus's subjects: who says what where. Names that clients chose never enter a subject. Pure. */
import type { NodeId } from "../ids.ts";

/** Node ids may hold dots; a subject's parts may not. */
const part = (node: NodeId): string => Buffer.from(node).toString("base64url");

export const SUBJECTS = {
  /** Agents → gateways. */
  heartbeat: (node: NodeId) => `hb.${part(node)}`,
  everyHeartbeat: "hb.>",
  /** Gateways → one agent: requests. */
  submit: (node: NodeId) => `node.${part(node)}.submit`,
  everySubmit: "node.*.submit",
  /** Placement → one agent: loads, connects, unloads. */
  control: (node: NodeId) => `node.${part(node)}.control`,
  everyControl: "node.*.control",
} as const;
