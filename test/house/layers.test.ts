/** Which part of the house may import which. */
import { describe, test } from "vitest";
import { allFiles, type Import, programOf, type SourceFile, sources, under } from "./source-tree.ts";
import { type Breach, expectNone } from "./violations.ts";

const PROGRAMS = ["gateway", "node-agent", "partitioner"];

/** What each part may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: ["protos"],
  protos: [],
  gateway: ["core", "protos"],
  "node-agent": ["core", "protos"],
  partitioner: ["core", "protos"],
  embedded: ["core", "gateway", "node-agent", "partitioner"],
  client: ["core", "protos"],
  loadgen: ["core", "client"],
  packaging: ["core"],
  deploy: ["core"],
  cli: ["core", "embedded", "client", "loadgen", ...PROGRAMS],
};

/** Where a library's name may stand. A folder ends with `/`. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  koffi: ["node-agent/ort/", "node-agent/runners/"],
  "onnxruntime-node": ["node-agent/ort/"],
  ioredis: ["core/store/redis-connection.ts"],
  pino: ["core/telemetry/"],
  "prom-client": ["core/telemetry/"],
  "@opentelemetry/api": ["core/telemetry/"],
  "@opentelemetry/core": ["core/telemetry/"],
  "@opentelemetry/exporter-trace-otlp-proto": ["core/telemetry/"],
  "@opentelemetry/resources": ["core/telemetry/"],
  "@opentelemetry/sdk-trace-base": ["core/telemetry/"],
  "@huggingface/tokenizers": ["gateway/text/"],
  "@huggingface/jinja": ["gateway/text/"],
  "@bufbuild/protobuf": ["core/model/config/", "gateway/grpc/", "client/grpc/"],
  "@grpc/grpc-js": ["client/grpc/"],
  typescript: ["packaging/"],
  commander: ["cli/"],
  picocolors: ["cli/"],
  typebox: ["core/messages/", "core/model/", "core/store/", "gateway/"],
  "@nats-io/transport-node": ["core/bus/nats.ts"],
  "node:http": ["gateway/http1/"],
  "node:http2": [],
  "node:net": ["gateway/http1/", "gateway/sockets/", "core/link/", "core/wire/", "node-agent/runners/", "loadgen/channels/"],
  "node:worker_threads": ["gateway/http/", "gateway/text/", "node-agent/"],
  "node:child_process": ["node-agent/", "cli/", "protos/generate.mjs"],
};

/** Adapters of core's ports: only what composes a program may choose one. */
const ADAPTER = /^core\/(bus|link|wire|store\/[a-z-]+|repository)\/(memory|nats|tcp|redis|file|folder|socket|scripted)\.ts$/;
const COMPOSES = /^(embedded\/|cli\/|.*\/(run|main)\.ts$)/;

const GATEWAY_SERVERS = ["gateway/http1", "gateway/http2", "gateway/grpc"];
const GATEWAY_DOORS = ["gateway/kserve", "gateway/openai", "gateway/console"];
const GATEWAY_PURE = ["gateway/admission", "gateway/routing", "gateway/placement"];

function breaches(files: readonly SourceFile[], judge: (file: SourceFile, imported: Import) => string | undefined): Breach[] {
  return files.flatMap((file) =>
    file.imports.flatMap((imported) => {
      const what = judge(file, imported);
      return what === undefined ? [] : [{ at: file.path, what: `${what} (${imported.specifier})` }];
    }),
  );
}

describe("the house's layers", () => {
  test("parts import only what lies below them", () => {
    const found = breaches(sources, (file, { file: target }) => {
      if (target === undefined) return undefined;
      const [from, to] = [programOf(file.path), programOf(target)];
      if (from === to) return undefined;
      const allowed = MAY_IMPORT[from];
      if (allowed === undefined) return `'${from}' is no part of the house`;
      return allowed.includes(to) ? undefined : `${from} imports ${to}`;
    });
    expectNone(found, "programs never import one another: what they share travels as a message, or lies in core/");
  });

  test("the command line loads programs only when a command needs them", () => {
    const found = breaches(sources, (file, imported) => {
      const isProgram = imported.file !== undefined && under(imported.file, "embedded", ...PROGRAMS);
      return under(file, "cli") && isProgram && !imported.dynamic && !imported.typeOnly ? "loaded at start" : undefined;
    });
    expectNone(found, "await import(...) inside the command, or import type");
  });

  test("only programs' compositions name adapters", () => {
    const found = breaches(sources, (file, imported) => {
      const target = imported.file;
      if (target === undefined || !ADAPTER.test(target) || imported.typeOnly || COMPOSES.test(file.path)) return undefined;
      const sameFolder = under(file, target.slice(0, target.lastIndexOf("/")));
      return sameFolder ? undefined : "names an adapter";
    });
    expectNone(found, "take the port as an argument; run.ts, main.ts and embedded/ choose its adapter");
  });

  test("only the command line and embedded/ start a program by importing it", () => {
    const found = breaches(sources, (file, { file: target }) => {
      const isEntry = target !== undefined && /^[a-z-]+\/(run|main)\.ts$/.test(target);
      if (!isEntry || under(file, "cli", "embedded") || /\/main\.ts$/.test(file.path)) return undefined;
      return "imports a program's entry";
    });
    expectNone(found, "run.ts is imported by main.ts, cli/ and embedded/ alone");
  });

  test("each library has one door", () => {
    const found = breaches(sources, (file, { library, typeOnly }) => {
      if (library === undefined || (typeOnly && library.startsWith("node:"))) return undefined;
      const doors = DOORS[library];
      if (doors === undefined) return library.startsWith("node:") ? undefined : `no door is set for ${library}`;
      return doors.some((door) => file.path.startsWith(door)) ? undefined : `${library} belongs to ${doors.join(", ")}`;
    });
    expectNone(found, "go through the folder that owns the library; a new library gets its row in DOORS on purpose");
  });

  test("in the gateway, doors know serving and no server, and nothing looks up", () => {
    const found = breaches(sources, (file, imported) => {
      const target = imported.file;
      if (target === undefined || imported.typeOnly || /^gateway\/(run|main)\.ts$/.test(file.path)) return undefined;
      const above = ["gateway/http", ...GATEWAY_SERVERS, ...GATEWAY_DOORS];
      if (under(file, "gateway/serving") && under(target, ...above)) return "serving looks up";
      if (under(file, "gateway/http", ...GATEWAY_DOORS) && under(target, "gateway/http1", "gateway/http2"))
        return "a door knows its server";
      if (under(file, ...GATEWAY_PURE) && under(target, ...above, "gateway/serving")) return "a decision looks up";
      const [own, other] = [GATEWAY_DOORS, GATEWAY_DOORS].map((doors, index) =>
        doors.find((door) => under(index === 0 ? file : target, door)),
      );
      return own !== undefined && other !== undefined && own !== other ? "a door imports another door" : undefined;
    });
    expectNone(found, "doors share by gateway/serving (requests) or gateway/http (answers); see ARCHITECTURE.md");
  });

  test("nothing that ships imports a test", () => {
    const found = breaches(sources, (_, { file: target }) =>
      target !== undefined && under(target, "test") ? "imports a test" : undefined,
    );
    expectNone(found, "what programs need lies in the program");
  });

  test("relative imports are written with their ending and exist", () => {
    const known = new Set(allFiles.map((file) => file.path));
    const found = breaches(allFiles, (_, { specifier, file: target }) => {
      if (target === undefined) return undefined;
      if (!/\.(ts|mjs|json)$/.test(specifier)) return "has no ending";
      return specifier.endsWith(".ts") && !known.has(target) && !target.startsWith("protos/gen/") ? "does not exist" : undefined;
    });
    expectNone(found, 'import "./name.ts": Node runs the file as it is');
  });

  test("imports form no cycle, those of types neither", () => {
    expectNone(
      cycles().map((cycle) => ({ at: cycle[0] ?? "", what: cycle.join(" → ") })),
      "move what both need into a third file, or turn one import into an argument",
    );
  });
});

/** Each strongly connected knot once, as a path that ends where it began. */
function cycles(): string[][] {
  const targets = new Map(allFiles.map((file) => [file.path, file.imports.flatMap(({ file: target }) => target ?? [])]));
  const done = new Set<string>();
  const found: string[][] = [];
  const visit = (name: string, path: readonly string[]): void => {
    const start = path.indexOf(name);
    if (start !== -1) {
      found.push([...path.slice(start), name]);
      return;
    }
    if (done.has(name)) return;
    for (const target of targets.get(name) ?? []) visit(target, [...path, name]);
    done.add(name);
  };
  for (const name of targets.keys()) visit(name, []);
  return found;
}
