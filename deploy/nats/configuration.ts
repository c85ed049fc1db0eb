/** The users of a NATS server, one a role and one a node, with the rights that the code needs: `deploy/nats/nats.conf` is printed from this. Pure. */
import { agentRights, GATEWAY_RIGHTS, type NatsRights, SERVING_GATEWAY_RIGHTS } from "../../core/bus/nats-rights.ts";
import { nodeId } from "../../core/ids.ts";

/** The environment variable with a user's password, which must begin with a letter: NATS reads it as a value of its own file. */
export const passwordVariable = (user: string): string => `${user.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}_PASSWORD`;

const GATEWAYS: readonly (readonly [string, NatsRights])[] = [
  ["gateway", GATEWAY_RIGHTS],
  ["serving-gateway", SERVING_GATEWAY_RIGHTS],
];

/**
 * @param names `gateway`, `serving-gateway`, and the ids of nodes: users have their names @returns a file for `nats-server --config`
 * @throws ServingError INVALID_ARGUMENT when a name is no node's
 */
export function natsConfiguration(names: readonly string[]): string {
  const gateways = new Map(GATEWAYS);
  const users = names.map((name) => [name, gateways.get(name) ?? agentRights(nodeId(name))] as const);
  return `# Printed by deploy/nats/print.ts. A user may do what is listed and nothing else; passwords come from the environment.
accounts {
  NEREID {
    users: [
${users.map(userLines).join("")}    ]
  }
}
`;
}

const list = (subjects: readonly string[]): string => `[${subjects.map((subject) => JSON.stringify(subject)).join(", ")}]`;

const userLines = ([user, { publish, subscribe }]: readonly [string, NatsRights]): string =>
  `      {
        user: ${JSON.stringify(user)}, password: $${passwordVariable(user)}
        permissions: { publish: { allow: ${list(publish)} }, subscribe: { allow: ${list(subscribe)} } }
      }
`;
