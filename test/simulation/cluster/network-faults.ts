/** A bus that loses, delays and goes away; links that are cut, silent and slow. */
import { SUBJECTS } from "../../../core/messages/subjects.ts";
import { Dice } from "./dice.ts";
import type { FaultKind, FaultTools } from "./fault-kind.ts";

/** Loses messages of some subjects. */
interface Loss {
  readonly concerns: (subject: string) => boolean;
  readonly probability: number;
}

/** Links that die, wait and crawl. */
export function linkFaults({ cluster: { links, agents }, dice, lasting }: FaultTools): readonly FaultKind[] {
  const at = (act: (address: string) => string) => () => {
    const address = dice.pick(agents.filter((agent) => agent.address !== ""))?.address;
    return address === undefined ? undefined : act(address);
  };
  return [
    {
      weight: 5,
      begin: at((address) => {
        links.disconnect(address);
        return `links to ${address} are cut`;
      }),
    },
    {
      weight: 3,
      begin: at((address) => {
        links.partition(address);
        return lasting(`silence to and from ${address}`, dice.whole(100, 4_000), () => links.heal(address));
      }),
    },
    {
      weight: 2,
      begin: () => {
        const delayMs = dice.whole(1, 400);
        links.delay(delayMs);
        return lasting(`links take ${delayMs} ms`, dice.whole(100, 3_000), () => links.delay(0));
      },
    },
  ];
}

/** Losses that gateways make up for, and moments that are shorter than the silence of a dead node. */
export function submitFaults(tools: FaultTools): readonly FaultKind[] {
  const lose = messageLoss(tools);
  return [
    { weight: 2, begin: () => lose("submits", (subject) => subject.endsWith(".submit"), tools.dice.whole(100, 3_000)) },
    delayFault(tools),
    awayFault(tools, 500),
  ];
}

/** Everything that a bus may do. */
export function busFaults(tools: FaultTools): readonly FaultKind[] {
  const { cluster, dice } = tools;
  const lose = messageLoss(tools);
  const heartbeats = () => {
    const agent = dice.pick(cluster.agents);
    if (agent === undefined) return undefined;
    const subject = SUBJECTS.heartbeat(agent.node);
    return lose(`heartbeats of ${agent.node}`, (one) => one === subject, dice.whole(1_000, 9_000), 1);
  };
  return [
    { weight: 2, begin: () => lose("messages", () => true, dice.whole(50, 2_000)) },
    { weight: 2, begin: () => lose("submits", (subject) => subject.endsWith(".submit"), dice.whole(100, 3_000)) },
    { weight: 4, begin: () => lose("controls", (subject) => subject.endsWith(".control"), dice.whole(100, 4_000)) },
    { weight: 4, begin: heartbeats },
    delayFault(tools),
    awayFault(tools, 4_000),
  ];
}

/** Some of the messages or all, for a while. */
function messageLoss({ cluster, dice, lasting }: FaultTools) {
  const losses = new Set<Loss>();
  const coin = new Dice(dice.seed()); // how many messages there are does not change what else is drawn
  cluster.broker.drop((subject) => [...losses].some((loss) => loss.concerns(subject) && coin.happens(loss.probability)));
  return (what: string, concerns: Loss["concerns"], lengthMs: number, probability = dice.happens(0.5) ? 1 : 0.3): string => {
    const loss: Loss = { concerns, probability };
    losses.add(loss);
    return lasting(`${what} are lost, ${loss.probability}`, lengthMs, () => losses.delete(loss));
  };
}

function delayFault({ cluster: { broker }, dice, lasting }: FaultTools): FaultKind {
  return {
    weight: 3,
    begin: () => {
      const delayMs = dice.whole(1, 900);
      broker.delay(delayMs);
      return lasting(`messages take ${delayMs} ms`, dice.whole(100, 3_000), () => broker.delay(0));
    },
  };
}

function awayFault({ cluster: { broker }, dice, lasting }: FaultTools, longestMs: number): FaultKind {
  return {
    weight: 2,
    begin: () => {
      broker.disconnect();
      return lasting("the broker is away", dice.whole(50, longestMs), () => broker.reconnect());
    },
  };
}
