/** Documents cannot lie: what they list is compared with the code. UPDATE_DOCUMENTS=1 prints the tables anew. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { BENCH_SETTINGS } from "../../cli/bench/settings-table.ts";
import { sectionsOf } from "../../cli/settings/settings-sections.ts";
import {
  AGENT_SETTINGS,
  CHAT_SETTINGS,
  DRAIN_SETTINGS,
  GATEWAY_SETTINGS,
  KEY_SETTINGS,
  PARTITION_SETTINGS,
  PULL_SETTINGS,
  STATUS_SETTINGS,
  UP_SETTINGS,
} from "../../cli/settings/settings-tables.ts";
import { type SettingsTable, settingsMarkdown } from "../../core/settings.ts";
import { metricsMarkdown } from "../../core/telemetry/metrics-table.ts";
import { allFiles, ROOT } from "./source-tree.ts";
import { expectNone } from "./violations.ts";

const { UPDATE_DOCUMENTS } = process.env;
const SETTINGS = "docs/settings.md";
const TABLES: Readonly<Record<string, SettingsTable>> = {
  up: UP_SETTINGS,
  gateway: besides(GATEWAY_SETTINGS, UP_SETTINGS),
  agent: besides(AGENT_SETTINGS, { ...UP_SETTINGS, ...GATEWAY_SETTINGS }),
  status: STATUS_SETTINGS,
  drain: DRAIN_SETTINGS,
  key: KEY_SETTINGS,
  pull: PULL_SETTINGS,
  chat: CHAT_SETTINGS,
  partition: PARTITION_SETTINGS,
  bench: BENCH_SETTINGS,
};

const SERVERS: ReadonlySet<string> = new Set(["up", "gateway", "agent"]);
const inSections = (table: SettingsTable): string =>
  sectionsOf(table)
    .map(({ title, table: rows }) => `**${title}**\n\n${settingsMarkdown(rows)}`)
    .join("\n\n");

/** The rows that are not listed for another command already. */
function besides(table: SettingsTable, listed: SettingsTable): SettingsTable {
  return Object.fromEntries(Object.entries(table).filter(([name, row]) => listed[name] !== row));
}

const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

/** The lines between `<!-- opening … -->` and `<!-- /closing -->`. */
function section(text: string, opening: string, closing: string): string {
  const found = new RegExp(`<!-- ${opening}[^>]*-->\\n([\\s\\S]*?)<!-- /${closing} -->`).exec(text)?.[1];
  if (found === undefined) throw new Error(`there is no section <!-- ${opening} --> … <!-- /${closing} -->`);
  return found;
}

describe("what is printed from the code", () => {
  test.each(Object.entries(TABLES))("lists the settings of nereid %s as the code has them", (command, table) => {
    const wanted = `\n${SERVERS.has(command) ? inSections(table) : settingsMarkdown(table)}\n\n`;
    const text = read(SETTINGS);
    const found = section(text, `settings ${command}`, "settings");
    if (UPDATE_DOCUMENTS === "1" && found !== wanted) {
      const opening = `<!-- settings ${command} -->\n`;
      writeFileSync(
        join(ROOT, SETTINGS),
        text.replace(`${opening}${found}`, () => `${opening}${wanted}`),
      );
      return;
    }
    expect(found, "run UPDATE_DOCUMENTS=1 npx vitest run test/house").toBe(wanted);
  });

  test("has every metric in METRICS.md", () => {
    const wanted = `<!-- metrics -->\n\n${metricsMarkdown()}\n\n<!-- /metrics -->`;
    const text = read("METRICS.md");
    const printed = text.replace(/<!-- metrics -->[\s\S]*<!-- \/metrics -->/, () => wanted);
    if (UPDATE_DOCUMENTS === "1") writeFileSync(join(ROOT, "METRICS.md"), printed);
    else expect(text, "run UPDATE_DOCUMENTS=1 npx vitest run test/house").toBe(printed);
    expect(printed).toContain(wanted);
  });

  test("names every folder of the house, and none that is gone", () => {
    const listed = [...section(read("ARCHITECTURE.md"), "tree", "tree").matchAll(/^\| `([^`]+)` \| (\S.*) \|$/gm)].map(
      ([, name = ""]) => name,
    );
    const wanted = [...new Set(allFiles.map((file) => dirname(file.path)))].filter((folder) => folder !== "." && isOfTheHouse(folder));
    const missing = wanted
      .filter((folder) => !listed.includes(`${folder}/`))
      .map((folder) => ({ at: `${folder}/`, what: "is not in ARCHITECTURE.md" }));
    const gone = listed
      .filter((name) => !existsSync(join(ROOT, name)))
      .map((name) => ({ at: name, what: "is in ARCHITECTURE.md and not here" }));
    expectNone([...missing, ...gone], "a row `folder/` | what is in it, between <!-- tree --> and <!-- /tree -->");
  });
});

/** A file or folder of the house in backticks; a module may stand without its ending. */
const PLACE =
  /`((?:bench|cli|client|core|deploy|embedded|gateway|loadgen|node-agent|packaging|partitioner|protos|test)\/[A-Za-z0-9_./-]+)`/g;
/** What can only be a file of ours, said without the folders that lead to it. */
const PART_OF_A_PLACE = /`((?:[a-z0-9-]+\/)*[a-z0-9-]+(?:\.[a-z]+)*\.m?ts)`/g;

const GUIDES = readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`);
const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "COMPATIBILITY.md", "CHANGELOG.md", "SECURITY.md", "STYLE.md", ...GUIDES];
/** Longer lines are read twice; tables and what programs print are as wide as they are. */
const LINE_MAX = 150;

describe("every document", () => {
  test.each(DOCUMENTS)("%s names only files and folders that are there", (name) => {
    const isThere = (place: string) => ["", ".ts", ".test.ts"].some((ending) => existsSync(join(ROOT, `${place}${ending}`)));
    const named = [...read(name).matchAll(PLACE)].map(([, place = ""]) => place);
    expect(named.filter((place) => !isThere(place))).toEqual([]);
  });

  test("ARCHITECTURE.md names files by their whole paths", () => {
    const parts = [...read("ARCHITECTURE.md").matchAll(PART_OF_A_PLACE)].map(([, part = ""]) => part);
    expect(parts).not.toEqual([]);
    expect(parts.filter((part) => !existsSync(join(ROOT, part)))).toEqual([]);
  });

  test.each(DOCUMENTS)("%s links only to documents and headings that are there", (name) => {
    const links = [...read(name).matchAll(/\]\(([^):]+)\)/g)].map(([, target = ""]) => target);
    const isThere = (link: string) => {
      const [path = "", heading] = link.split("#");
      const file = path === "" ? name : join(dirname(name), path);
      return existsSync(join(ROOT, file)) && (heading === undefined || headings(read(file)).includes(heading));
    };
    expectNone(
      links.filter((link) => !isThere(link)).map((link) => ({ at: name, what: `links to ${link}` })),
      "write the document, or take the link out",
    );
  });

  test.each(DOCUMENTS)("%s has no long lines", (name) => {
    const prose = read(name).replace(/^```[\s\S]*?^```/gm, "");
    const long = prose.split("\n").filter((line) => line.length > LINE_MAX && !line.startsWith("|"));
    expect(long).toEqual([]);
  });

  test.each(GUIDES)("%s is found from README.md", (name) => {
    expect(read("README.md")).toContain(`](${name})`);
  });
});

/** As links name them. */
function headings(text: string): readonly string[] {
  const titles = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) => title);
  return titles.map((title) =>
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, "")
      .replaceAll(" ", "-"),
  );
}

describe("the other documents", () => {
  test("STYLE.md and CHANGELOG.md are there, under one title each", () => {
    for (const name of ["STYLE.md", "CHANGELOG.md"]) expect(read(name).match(/^# .+$/gm), name).toHaveLength(1);
  });

  test(".ci/run calls npm test and nothing else", () => {
    const commands = read(".ci/run")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    expect(commands).toEqual(["exec npm test"]);
    expect(statSync(join(ROOT, ".ci/run")).mode & 0o111, "it can be executed").not.toBe(0);
  });
});

/** Tests are named by the kind of test, sources by every folder. */
function isOfTheHouse(folder: string): boolean {
  return !folder.startsWith("test/") || folder.split("/").length === 2;
}
