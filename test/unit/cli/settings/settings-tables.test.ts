/** The command line's settings: defaults that work, and refusals that say what is allowed. */
import { describe, expect, test } from "vitest";
import { SECTIONS, sectionsOf } from "../../../../cli/settings/settings-sections.ts";
import {
  AGENT_SETTINGS,
  CHAT_SETTINGS,
  GATEWAY_SETTINGS,
  PARTITION_SETTINGS,
  UP_SETTINGS,
} from "../../../../cli/settings/settings-tables.ts";
import { readSettings } from "../../../../core/settings.ts";

const up = (flags: readonly string[], environment: Record<string, string> = {}) => readSettings(UP_SETTINGS, { flags, environment });

describe("the settings of nereid up", () => {
  test("serve the small model over two nodes on loopback when nothing is said", () => {
    expect(up([])).toMatchObject({
      nodes: 2,
      model: "smollm2-135m-instruct",
      quantization: "auto",
      host: "127.0.0.1",
      port: 8000,
      grpcPort: 8001,
      metricsPort: 8002,
    });
  });

  test("come from flags before the environment", () => {
    const environment = { NEREID_NODES: "3", NEREID_METRICS_PORT: "9002" };
    expect(up(["--nodes", "4"], environment)).toMatchObject({ nodes: 4, metricsPort: 9002 });
  });

  test("refuse what no cluster can do, and say what is allowed", () => {
    expect(() => up(["--nodes=0"])).toThrow('--nodes: "0" is not allowed; allowed: 1 to 16');
    expect(() => up([], { NEREID_PORT: "http" })).toThrow('NEREID_PORT: "http" is not allowed; allowed: 0 to 65535');
    expect(() => up(["--quantization=int3"])).toThrow("allowed: auto, native, int8, int4, fp32");
  });
});

test("a Redis is named by a URL of its own kind, which errors do not show", () => {
  for (const url of ["redis://127.0.0.1:6379", "rediss://:word@redis.example:6380/1"]) expect(up(["--redis-url", url]).redisUrl).toBe(url);
  for (const url of ["http://redis.example", "redis.example:6379", "redis://"])
    expect(() => up(["--redis-url", url])).toThrow("--redis-url: what is given is not allowed; allowed: redis://HOST:PORT");
});

describe("the settings of the other commands", () => {
  test("take a server's address with or without its last slash", () => {
    expect(readSettings(CHAT_SETTINGS, { flags: ["--url=http://127.0.0.1:9000/"], environment: {} }).url).toBe("http://127.0.0.1:9000");
    expect(() => readSettings(CHAT_SETTINGS, { flags: ["--url=127.0.0.1:9000"], environment: {} })).toThrow("a URL such as");
  });

  test("verify shards only when they are asked to", () => {
    expect(readSettings(PARTITION_SETTINGS, { flags: [], environment: {} }).verify).toBe(false);
    expect(readSettings(PARTITION_SETTINGS, { flags: ["--verify"], environment: {} }).verify).toBe(true);
  });
});

describe("the sections of the servers' settings", () => {
  test.each(Object.entries({ UP_SETTINGS, GATEWAY_SETTINGS, AGENT_SETTINGS }))("have every row of %s once", (_, table) => {
    const listed = sectionsOf(table).flatMap((section) => Object.keys(section.table));
    expect(listed.toSorted()).toEqual(Object.keys(table).toSorted());
  });

  test("have no row that no server knows", () => {
    const known = { ...UP_SETTINGS, ...GATEWAY_SETTINGS, ...AGENT_SETTINGS };
    expect(Object.values(SECTIONS).flat().toSorted()).toEqual(Object.keys(known).toSorted());
  });
});
