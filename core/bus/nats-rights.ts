/**
 * What each kind of program may say and hear on NATS: its own subjects and nothing else, so that a stolen password of an agent reaches no
 * other node. Held by test/contract/servers/nats-rights.test.ts. Pure.
 */
import type { NodeId } from "../ids.ts";
import { SUBJECTS } from "../messages/subjects.ts";

/** Lists of subjects that are allowed; whatever is in none is refused, `_INBOX.>` and `$JS.API.>` with it: nothing of ours asks for answers. */
export interface NatsRights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const HEARS_NODES = { subscribe: [SUBJECTS.everyHeartbeat] } as const;

export const GATEWAY_RIGHTS: NatsRights = { publish: [SUBJECTS.everySubmit, SUBJECTS.everyControl], ...HEARS_NODES };

/** Of a gateway with `--placement false`. */
export const SERVING_GATEWAY_RIGHTS: NatsRights = { publish: [SUBJECTS.everySubmit], ...HEARS_NODES };

export function agentRights(node: NodeId): NatsRights {
  return { publish: [SUBJECTS.heartbeat(node)], subscribe: [SUBJECTS.submit(node), SUBJECTS.control(node)] };
}
