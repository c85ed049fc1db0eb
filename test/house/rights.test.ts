/** What programs may do at NATS and Redis is what their code does there, and the files and the table that say so are printed from it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { agentRights, GATEWAY_RIGHTS, type NatsRights, SERVING_GATEWAY_RIGHTS } from "../../core/bus/nats-rights.ts";
import { subjectPattern } from "../../core/bus/subject-pattern.ts";
import { nodeId } from "../../core/ids.ts";
import { SUBJECTS } from "../../core/messages/subjects.ts";
import { REDIS_RIGHTS } from "../../core/store/redis-rights.ts";
import { natsConfiguration } from "../../deploy/nats/configuration.ts";
import { allFiles, ROOT } from "./source-tree.ts";

const { UPDATE_DOCUMENTS } = process.env;
const HOW = "run UPDATE_DOCUMENTS=1 npx vitest run test/house";
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

function expectPrinted(file: string, wanted: string): void {
  if (UPDATE_DOCUMENTS === "1") writeFileSync(join(ROOT, file), wanted);
  expect(read(file), HOW).toBe(wanted);
}

const NODE = nodeId("node-1");
/** Every subject of the code, for one node. */
const SAID = { heartbeat: SUBJECTS.heartbeat(NODE), submit: SUBJECTS.submit(NODE), control: SUBJECTS.control(NODE) };
const allowed = (patterns: readonly string[]) =>
  Object.entries(SAID).flatMap(([kind, subject]) => (patterns.some((pattern) => subjectPattern(pattern)(subject)) ? [kind] : []));
const may = ({ publish, subscribe }: NatsRights) => ({ says: allowed(publish), hears: allowed(subscribe) });

test("gateways and agents may say and hear exactly the subjects that the code has", () => {
  expect(Object.keys(SUBJECTS).filter((kind) => !kind.startsWith("every"))).toEqual(Object.keys(SAID));
  expect(may(GATEWAY_RIGHTS)).toEqual({ says: ["submit", "control"], hears: ["heartbeat"] });
  expect(may(SERVING_GATEWAY_RIGHTS)).toEqual({ says: ["submit"], hears: ["heartbeat"] });
  expect(may(agentRights(NODE))).toEqual({ says: ["heartbeat"], hears: ["submit", "control"] });
  expect(may(agentRights(nodeId("node-2")))).toEqual({ says: [], hears: [] });
  const talking = allFiles.filter(
    ({ path, text }) => !path.startsWith("test/") && /\.(publish|subscribe)\(\s*(?!SUBJECTS\.)["'`]/.test(text),
  );
  expect(
    talking.map(({ path }) => path),
    "subjects come from core/messages/subjects.ts",
  ).toEqual([]);
});

test("the users of compose.yaml's Redis have the rights of their roles, and who has no login may only ask whether it is there", () => {
  const { services }: { readonly services: { readonly redis: { readonly command: readonly string[] } } } = parse(read("compose.yaml"));
  const users = services.redis.command.join(" ").split(" --");
  expect(users.filter((option) => option.startsWith("user "))).toEqual([
    "user default on nopass -@all +ping",
    `user gateway on >\${GATEWAY_PASSWORD:?} ${REDIS_RIGHTS.gateway}`,
    `user agent on >\${AGENT_1_PASSWORD:?} >\${AGENT_2_PASSWORD:?} >\${AGENT_3_PASSWORD:?} ${REDIS_RIGHTS.agent}`,
  ]);
});

test("the users of compose.yaml's NATS are its gateways and its agents, as the code makes them", () => {
  const { services }: { readonly services: Readonly<Record<string, unknown>> } = parse(read("compose.yaml"), { merge: true });
  const agents = Object.keys(services).filter((name) => name.startsWith("agent-"));
  expect(agents.length).toBeGreaterThan(1);
  expectPrinted("deploy/nats/nats.conf", natsConfiguration(["gateway", ...agents]));
});

test("ARCHITECTURE.md's table of rights is as the code has them", () => {
  const own = ({ publish, subscribe }: NatsRights) => [publish, subscribe].map((list) => code(list.map(ownSubject)));
  const rows = [
    ["gateway", ...own(GATEWAY_RIGHTS), code(keysOf(REDIS_RIGHTS.gateway))],
    ["gateway with `--placement false`", ...own(SERVING_GATEWAY_RIGHTS), code(keysOf(REDIS_RIGHTS["serving-gateway"]))],
    ["agent", ...own(agentRights(NODE)), code(keysOf(REDIS_RIGHTS.agent))],
  ];
  const head = ["role", "NATS: says", "NATS: hears", "Redis: keys"];
  const table = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  const wanted = read("ARCHITECTURE.md").replace(
    /<!-- rights -->[\s\S]*<!-- \/rights -->/,
    () => `<!-- rights -->\n\n${table}\n\n<!-- /rights -->`,
  );
  expect(wanted).toContain(table);
  expectPrinted("ARCHITECTURE.md", wanted);
});

const code = (items: readonly string[]): string => items.map((item) => `\`${item}\``).join(", ");
const ownSubject = (subject: string): string => subject.replace(Buffer.from(NODE).toString("base64url"), "SELF");
const keysOf = (rights: string): readonly string[] => rights.split(" ").flatMap((rule) => (rule.startsWith("~") ? [rule.slice(1)] : []));
