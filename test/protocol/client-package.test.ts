/** The packed package in an empty project: programs use `nereid` and `nereid/client` as npm installs them. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { start } from "../engine/cli/command.ts";
import { realModelFolder } from "../support/real-model.ts";
import { startClientDoors } from "./client-doors.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const run = promisify(execFile);

let project: string;
let packed: readonly string[];

/** What npm does for `npm install ./nereid.tgz`, but for fetching the dependencies, which are here already. */
beforeAll(async () => {
  project = mkdtempSync(path.join(tmpdir(), "nereid-package-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", project], { cwd: ROOT });
  const { filename, files } = packReport(JSON.parse(stdout.slice(stdout.indexOf("["))));
  packed = files;
  await run("tar", ["-xzf", path.join(project, filename), "-C", project]);
  const modules = path.join(project, "node_modules");
  mkdirSync(modules);
  cpSync(path.join(project, "package"), path.join(modules, "nereid"), { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
  for (const name of [...Object.keys(dependencies), "@types/node"]) {
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    symlinkSync(path.join(ROOT, "node_modules", name), path.join(modules, name));
  }
  writeFileSync(path.join(project, "package.json"), '{"type":"module"}');
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

interface PackReport {
  readonly filename: string;
  readonly files: readonly string[];
}

function packReport([report]: readonly { filename: string; files: readonly { path: string }[] }[]): PackReport {
  return { filename: report?.filename ?? "", files: report?.files.map((file) => file.path) ?? [] };
}

const CLIENT_PROGRAM = `
import { ClientError, GrpcClient, HttpClient, type InferResult, tensor } from "nereid/client";

const [httpAddress = "", grpcAddress = ""] = process.argv.slice(2);
const http = new HttpClient(httpAddress, { timeoutMs: 60_000 });
const grpc = new GrpcClient(grpcAddress);
const sums: number[][] = [];
for (const client of [http, grpc]) {
  const inputs = [tensor("INPUT0", "FP32", [4], [1, 2, 3, 4]), tensor("INPUT1", "FP32", [4], new Float32Array(4).fill(1))];
  const result: InferResult = await client.infer({ model: "add_sub", inputs });
  const sum: Float32Array = result.output("OUTPUT0").as("FP32");
  sums.push([...sum]);
}
const counts: number[] = [];
for await (const result of grpc.inferStream({ model: "repeat", inputs: [tensor("N", "INT32", [1], [3])] })) {
  const [count = -1] = result.output("OUT").as("INT32");
  counts.push(count);
}
const code = await http.modelMetadata("nope").catch((error: unknown) => (error instanceof ClientError ? error.code : "none"));
await Promise.all([http.close(), grpc.close()]);
console.log(JSON.stringify({ sums, counts, code }));
`;

const EMBEDDING_PROGRAM = `
import { type Cluster, type ClusterHooks, type ClusterOptions, startCluster } from "nereid";

export const start = (options: ClusterOptions, hooks: ClusterHooks): Promise<Cluster> => startCluster(options, hooks);
`;

test("what is packed is what was built, without sources and tests", () => {
  expect(packed).toContain("dist/embedded/cluster.js");
  expect(packed).toContain("dist/client/exports.d.ts");
  expect(packed).toContain("dist/gateway/console/page.html");
  expect(packed).toContain("cli/nereid.mjs");
  expect(packed.filter((file) => /\.tsx?$/.test(file) && !file.endsWith(".d.ts"))).toEqual([]);
  expect(
    packed.filter((file) => !/^(dist\/|cli\/nereid\.mjs$|cli\/setup\/compile-cache\.mjs$|package\.json$|README\.md$|LICENSE$)/.test(file)),
  ).toEqual([]);
});

test("a program in JavaScript talks to a server over HTTP and gRPC", async () => {
  await using doors = await startClientDoors();
  const { outputText } = ts.transpileModule(CLIENT_PROGRAM, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ESNext },
  });
  writeFileSync(path.join(project, "program.js"), outputText);
  const { stdout } = await run(process.execPath, ["program.js", doors.httpAddress, doors.grpcAddress], { cwd: project });
  expect(JSON.parse(stdout)).toEqual({
    sums: [
      [2, 3, 4, 5],
      [2, 3, 4, 5],
    ],
    counts: [0, 1, 2],
    code: "NOT_FOUND",
  });
});

test("the programs in README.md compile against the package's types", () => {
  const programs = [...readFileSync(path.join(ROOT, "README.md"), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)];
  expect(programs.length).toBeGreaterThan(0);
  const files = programs.map(([, text = ""], index) => [`readme-${index}.ts`, text] as const);
  expect(problems(Object.fromEntries(files))).toEqual([]);
});

test("programs in TypeScript are checked against the package's types", () => {
  expect(problems({ "client.ts": CLIENT_PROGRAM, "embedding.ts": EMBEDDING_PROGRAM })).toEqual([]);
  const wrong = [
    'tensor("X", "FP32", [1], ["a"])',
    'tensor("X", "FP33", [1], [1])',
    'tensor("X", "INT64", [1], new Float32Array(1))',
    'new HttpClient("").infer({ model: "x" })',
  ];
  for (const line of wrong) {
    expect(problems({ "wrong.ts": `import { HttpClient, tensor } from "nereid/client";\n${line};\nHttpClient;\n` })).toHaveLength(1);
  }
});

test("the types of the client hold without skipping the check of libraries", () => {
  expect(problems({ "client.ts": CLIENT_PROGRAM }, { skipLibCheck: false })).toEqual([]);
});

test("the command serves a model, with its workers, runners and the partitioner as they were built", async () => {
  const flags = {
    "--port": "0",
    "--grpc-port": "0",
    "--metrics-port": "0",
    "--models": path.dirname(realModelFolder()),
    "--cache": path.join(project, "cache"),
    "--threads": "1",
    "--log-level": "silent",
  };
  const command = start([path.join(project, "node_modules/nereid/cli/nereid.mjs"), "up", ...Object.entries(flags).flat()]);
  const said = await command.printed("Ctrl-C\n");
  writeFileSync(
    path.join(project, "ask.js"),
    `import { HttpClient } from "nereid/client";
    const client = new HttpClient(process.argv[2]);
    const inputs = { text_input: "The capital of France is", max_tokens: 3, temperature: 0 };
    for await (const { text_output } of client.generateStream({ model: "smollm2-135m-instruct", inputs })) process.stdout.write(text_output);
    await client.close();`,
  );
  const { stdout } = await run(process.execPath, ["ask.js", /HTTP +(http:\/\/[^ /]+)/.exec(said)?.[1] ?? ""], { cwd: project });
  expect(stdout).toContain("Paris");
  command.child.kill("SIGINT");
  await command.ended;
});

/** What the compiler says of these files of the project. */
function problems(files: Readonly<Record<string, string>>, options: ts.CompilerOptions = {}): string[] {
  const paths = Object.entries(files).map(([name, text]) => {
    writeFileSync(path.join(project, name), text);
    return path.join(project, name);
  });
  const program = ts.createProgram(paths, {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    lib: ["lib.esnext.d.ts"],
    types: ["node"],
    typeRoots: [path.join(project, "node_modules/@types")],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    ...options,
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText, file }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
}
