/** Certificates of links and stages in files that are renewed. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ServingError } from "../../../core/errors.ts";
import { watchMutualTls } from "../../../core/mutual-tls.ts";
import { LookClock } from "../../support/look-clock.ts";
import { type SelfSigned, selfSigned } from "../../support/self-signed.ts";

const [first, second] = [selfSigned("first"), selfSigned("second")];
let folder: string;
let files: { readonly ca: string; readonly cert: string; readonly key: string };
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "nereid-tls-"));
  files = { ca: path.join(folder, "cert.pem"), cert: path.join(folder, "cert.pem"), key: path.join(folder, "key.pem") };
});
afterEach(() => rmSync(folder, { recursive: true }));

function write({ cert, key }: SelfSigned): void {
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
}

test("renewed files are used once they belong together, and until then those before", async () => {
  write(first);
  const clock = new LookClock();
  const warnings: string[] = [];
  using tls = await watchMutualTls(files, { clock: clock.clock, warn: ({ message }) => warnings.push(message) });
  expect(tls.certificates).toEqual({ ...first, ca: first.cert });
  await clock.look();
  writeFileSync(files.cert, second.cert);
  await clock.look();
  expect(tls.certificates.cert).toBe(first.cert);
  expect(warnings).toEqual([expect.stringContaining("cannot be used: give PEM files that belong together")]);
  writeFileSync(files.key, second.key);
  await clock.look();
  expect(tls.certificates).toEqual({ ...second, ca: second.cert });
  expect(warnings).toHaveLength(1);
});

test("files that do not belong together, or are not there, are refused at the start", async () => {
  const { clock } = new LookClock();
  const open = () => watchMutualTls(files, { clock, warn: () => expect.unreachable("it is thrown") });
  await expect(open()).rejects.toThrow(/link TLS: .*pem cannot be read/);
  write({ cert: first.cert, key: second.key });
  await expect(open()).rejects.toThrow("--link-tls-ca, --link-tls-cert and --link-tls-key cannot be used");
});

test("refused peers fill no log: one a second is told of", async () => {
  write(first);
  const clock = new LookClock();
  const warnings: string[] = [];
  using tls = await watchMutualTls(files, { clock: clock.clock, warn: ({ message }) => warnings.push(message) });
  for (const [atMs, peer] of [
    [0, "a"],
    [999, "b"],
    [1_000, "c"],
    [1_001, "d"],
  ] as const) {
    clock.nowMs = atMs;
    tls.refused(new ServingError("UNAUTHENTICATED", peer));
  }
  expect(warnings).toEqual(["a", "c"]);
});
