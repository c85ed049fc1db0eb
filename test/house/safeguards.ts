/** What a careful operator expects of a server, and the tests that show it, by file and a part of the test's name. Numbers are kept. */

export interface Safeguard {
  readonly id: string;
  readonly what: string;
  readonly shown: readonly (readonly [file: string, name: string])[];
}

const ACCESS = "test/protocol/access.test.ts";
const BANS = "test/house/bans.test.ts";
const BODIES = "test/protocol/bodies.test.ts";
const COMPOSE = "test/cluster/processes/compose.test.ts";
const HTTPS = "test/protocol/https.test.ts";
const LOGGER = "test/unit/core/telemetry/logger.test.ts";
const QUOTAS = "test/protocol/quotas.test.ts";
const SECURITY = "test/house/security.test.ts";
const ATTACKS = "test/protocol/attacks.test.ts";

type Row = readonly [id: string, what: string, ...shown: readonly (readonly [file: string, name: string])[]];

const ROWS: readonly Row[] = [
  [
    "S01",
    "fails closed",
    [ACCESS, "is not listened on with %s"],
    ["test/cluster/processes/starting.test.ts", "for an agent that others can reach, until somebody says that this is meant"],
  ],
  [
    "S02",
    "TLS on every link",
    [HTTPS, "all three listeners speak TLS 1.2 and newer"],
    ["test/contract/wire-tls.test.ts", "without certificates nobody dials or listens with TLS"],
    ["test/contract/servers/nats.test.ts", "a broker with TLS is talked to in TLS"],
    ["test/contract/servers/redis-tls.test.ts", "a Redis whose authority nobody knows"],
  ],
  ["S03", "API keys", ["test/unit/gateway/access/api-keys.test.ts", "R29: "], [HTTPS, "keys come and go with their file, within 5 s"]],
  ["S04", "every route declares who may call it", [ACCESS, "asks for the right key"]],
  ["S05", "control needs a key", ["test/unit/gateway/access/guard.test.ts", "other machines may do everything but control"]],
  ["S06", "Triton's restricted groups", ["test/protocol/traps-models.test.ts", "A request to a restricted category without its header"]],
  [
    "S07",
    "tenants apart",
    [ACCESS, "the tenant is the key's"],
    ["test/unit/node-agent/generation/shared-prefix.test.ts", "shares nothing with another tenant"],
  ],
  [
    "S08",
    "rights at NATS and Redis",
    ["test/contract/servers/nats-rights.test.ts", "R41: nobody without a password"],
    ["test/contract/servers/redis-rights.test.ts", "R44: nobody with"],
    [COMPOSE, "was never refused what it needs at NATS and Redis"],
  ],
  ["S09", "quotas", [QUOTAS, "has a day's quota, too"]],
  ["S10", "limits on everything counted", [BODIES, "a body of 65 MiB is 413"], [BODIES, "headers beyond 16 KiB or 100 are 431"]],
  ["S11", "timeouts", [BODIES, "headers that never end are 408"], [BODIES, "a body that stops arriving is cut after its idle time"]],
  ["S12", "safe model loading", ["test/unit/core/repository/external-data.test.ts", "do not lie in %j"]],
  ["S13", "no code from data", [BANS, "no code out of data"]],
  ["S14", "no outbound fetches", [ATTACKS, "R31, R32: "]],
  ["S15", "templates and expressions", [ATTACKS, "R34: "], ["test/unit/gateway/text/stop-window.test.ts", "nearly matches everywhere"]],
  [
    "S16",
    "errors tell no internals",
    ["test/protocol/fuzz.test.ts", "takes any JSON at all"],
    ["test/protocol/grpc-transport.test.ts", "what is no error of ours is INTERNAL"],
  ],
  [
    "S17",
    "logs that nobody can forge",
    [LOGGER, "nothing that a client sends can move a terminal's cursor"],
    ["test/unit/core/settings.test.ts", "secrets are not shown"],
    ["test/contract/servers/nats.test.ts", "without the password"],
  ],
  [
    "S18",
    "telemetry without contents",
    ["test/cluster/traces.test.ts", "leaves nothing of what was said in traces, metrics and logs"],
    ["test/cluster/whole-models/traces.test.ts", "of 1,000 requests nothing"],
  ],
  ["S19", "browsers", [ACCESS, "may change nothing"], [BODIES, "a page of another origin may not post"]],
  ["S20", "headers of answers", [ACCESS, "says what it is, no more, and is not kept"]],
  ["S21", "supply chain", [SECURITY, "S21: "]],
  ["S22", "containers", [COMPOSE, "%s has a read-only root, no rights and limits"], [COMPOSE, "of ours runs as a user without rights"]],
  [
    "S23",
    "crashes stay in their runner",
    ["test/contract/runner-handle.ts", "a runner that dies while it opens a shard makes that unavailable"],
    ["test/contract/model-runner.ts", "an abort ends a batch that is under way, and the runner goes on"],
  ],
  ["S24", "an audit log", [ACCESS, "each control call is in the audit log"]],
  ["S25", "a way to report", [SECURITY, "S25: "]],
  [
    "S26",
    "programs from the repository alone",
    ["test/cluster/whole-models/python.test.ts", "a program that a load call brings along is not run"],
  ],
];

export const SAFEGUARDS: readonly Safeguard[] = ROWS.map(([id, what, ...shown]) => ({ id, what, shown }));
