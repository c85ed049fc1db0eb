/** What the passwords of gateways and agents open at a real NATS server: their own subjects, and nobody else's (rows R41 and R43). */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NatsBus } from "../../../core/bus/nats.ts";
import { systemClock } from "../../../core/clock.ts";
import { nodeId } from "../../../core/ids.ts";
import { SUBJECTS } from "../../../core/messages/subjects.ts";
import { systemRandom } from "../../../core/random.ts";
import { createLogger } from "../../../core/telemetry/logger.ts";
import { natsConfiguration, passwordVariable } from "../../../deploy/nats/configuration.ts";
import { Inbox } from "../../support/inbox.ts";
import { type RealServer, startNats } from "../../support/real-servers.ts";
import { untilBus } from "./until-bus.ts";

const USERS = ["gateway", "serving-gateway", "node-1", "node.2"];
const [NODE, OTHER] = [nodeId("node-1"), nodeId("node.2")];
/** What a stranger would try with any password. */
const FOREIGN = [">", "*", "*.>", "node.>", "_INBOX.>", "$SYS.>", "$JS.API.>", "somebody.elses"];

let server: RealServer;
beforeAll(async () => {
  server = await startNats(natsConfiguration(USERS), Object.fromEntries(USERS.map((user) => [passwordVariable(user), `pw-${user}`])));
});
afterAll(() => server?.[Symbol.asyncDispose]());

interface Login extends AsyncDisposable {
  readonly bus: NatsBus;
  /** What the server has said against it. */
  readonly refusals: Inbox<string>;
}

async function login(user: string): Promise<Login> {
  const refusals = new Inbox<string>();
  const logger = createLogger({
    level: "warn",
    form: "json",
    write: (line) => refusals.put(line),
  });
  const url = server.url.replace("//", `//${user}:pw-${user}@`);
  const bus = new NatsBus({ urls: [url], name: user, clock: systemClock, random: systemRandom, logger });
  await untilBus(bus, true);
  return { bus, refusals, [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() };
}

const bytes = (content: string) => new TextEncoder().encode(content);
const text = (payload: Uint8Array) => new TextDecoder().decode(payload);

/** What `from` says on `subject` arrives at `to`, which listens to `pattern`. */
async function passes(from: Login, to: Login, subject: string, pattern: string): Promise<void> {
  const inbox = new Inbox<string>();
  const subscription = to.bus.subscribe(pattern, (payload) => inbox.put(text(payload)));
  await to.bus.settled();
  from.bus.publish(subject, bytes(subject));
  expect(await inbox.until(1)).toEqual([subject]);
  subscription.unsubscribe();
}

/** Each is refused by the server, in words that name it. */
async function refuses(by: Login, act: "publish" | "subscribe", subjects: readonly string[]): Promise<void> {
  for (const subject of subjects) {
    const before = by.refusals.items.length;
    if (act === "publish") by.bus.publish(subject, bytes("x"));
    else by.bus.subscribe(subject, () => {});
    await by.bus.settled();
    const said = (await by.refusals.until(before + 1)).slice(before).join();
    expect(said.toLowerCase(), `${act} ${subject}`).toContain("permissions violation");
    expect(JSON.parse(said).trouble, `${act} ${subject}`).toContain(`"${subject}"`);
  }
}

describe("R41: with the password of", () => {
  test("a gateway one hears all nodes and says submits and commands to them, and nothing else", async () => {
    await using gateway = await login("gateway");
    await using agent = await login("node.2");
    await passes(gateway, agent, SUBJECTS.submit(OTHER), SUBJECTS.submit(OTHER));
    await passes(gateway, agent, SUBJECTS.control(OTHER), SUBJECTS.control(OTHER));
    await passes(agent, gateway, SUBJECTS.heartbeat(OTHER), SUBJECTS.everyHeartbeat);
    expect([...gateway.refusals.items, ...agent.refusals.items]).toEqual([]);
    await refuses(gateway, "subscribe", [...FOREIGN, SUBJECTS.submit(NODE), SUBJECTS.control(NODE)]);
    await refuses(gateway, "publish", [SUBJECTS.heartbeat(NODE), "_INBOX.a", "$JS.API.INFO", "node.a.b.submit", "somebody.elses"]);
  });

  test("a gateway that does not place one says submits, and no commands", async () => {
    await using gateway = await login("serving-gateway");
    await using agent = await login("node-1");
    await passes(gateway, agent, SUBJECTS.submit(NODE), SUBJECTS.submit(NODE));
    await passes(agent, gateway, SUBJECTS.heartbeat(NODE), SUBJECTS.everyHeartbeat);
    await refuses(gateway, "publish", [SUBJECTS.control(NODE), SUBJECTS.heartbeat(NODE)]);
    await refuses(gateway, "subscribe", FOREIGN);
  });

  test("an agent one hears what is said to that node and speaks for it, and for no other", async () => {
    await using agent = await login("node-1");
    await refuses(agent, "publish", [SUBJECTS.heartbeat(OTHER), SUBJECTS.submit(NODE), SUBJECTS.control(OTHER), "_INBOX.a"]);
    await refuses(agent, "subscribe", [...FOREIGN, SUBJECTS.submit(OTHER), SUBJECTS.control(OTHER), SUBJECTS.everyHeartbeat]);
  });
});

test("R41: nobody without a password of the cluster gets in", async () => {
  const refused = new Inbox<string>();
  const logger = createLogger({ level: "warn", form: "json", write: (line) => refused.put(line) });
  for (const login of ["", "node-1:pw-node.2@", "admin:admin@"]) {
    const before = refused.items.length;
    const urls = [server.url.replace("//", `//${login}`)];
    await using bus = new NatsBus({ urls, name: "nobody", clock: systemClock, random: systemRandom, logger });
    expect((await refused.until(before + 1)).at(-1), login).toContain("Authorization Violation");
    expect(bus.connected).toBe(false);
  }
});
