/**
 * What has been done to other servers, and which test shows that it is not done to this one. A row names the test by its file and a part
 * of its name, or says what is missing. The rows are those of the doors; the numbers are kept, so that a new advisory becomes a new row.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "./source-tree.ts";

type Row = readonly [attack: string, shown: readonly (readonly [file: string, name: string])[]];

const BODIES = "test/protocol/bodies.test.ts";
const FUZZ = "test/protocol/fuzz.test.ts";
const ACCESS = "test/protocol/access.test.ts";
const ABUSE = "test/protocol/grpc-abuse.test.ts";
const TENSORS = "test/protocol/kserve-tensors.test.ts";
const UPLOADS = "test/unit/core/repository/model-sources.test.ts";

const ROWS: Readonly<Record<string, Row>> = {
  R01: ["floods of tiny chunks", [[BODIES, "more than 65,536 chunks are refused"]]],
  R02: [
    "bodies beyond the limit, announced or not",
    [
      [BODIES, "a body of 65 MiB is 413"],
      [BODIES, "the same in chunks is refused"],
    ],
  ],
  R03: [
    "compressed bombs",
    [
      [TENSORS, "that inflate beyond the limit are refused before they do"],
      [FUZZ, "compressed bodies may be anything"],
    ],
  ],
  R04: [
    "gRPC messages that inflate",
    [
      [ABUSE, "200 small messages that inflate beyond the limit"],
      [ABUSE, "requests that are too large together"],
    ],
  ],
  R05: ["deep JSON", [[BODIES, "JSON of 100,000 levels is 400"]]],
  R06: [
    "shapes that overflow",
    [
      ["test/unit/gateway/kserve/infer-head.test.ts", "when no machine could count its elements"],
      [FUZZ, "takes any JSON at all"],
      [FUZZ, "binary data may lie about every length"],
    ],
  ],
  R07: [
    "small JSON that becomes a large tensor",
    [["test/unit/gateway/kserve/tensor-data-reader.test.ts", "before it takes more memory than the limit"]],
  ],
  R08: ["names twice, lists without end", [["test/unit/gateway/kserve/infer-head.test.ts", "already exists"]]],
  R09: ["lies in Inference-Header-Content-Length", [[FUZZ, "binary data may lie about every length"]]],
  R10: ["headers beyond limits", [[BODIES, "headers beyond 16 KiB or 100 are 431"]]],
  R11: ["two framings of one body", [[BODIES, "two framings of one body are refused"]]],
  R12: [
    "floods of resets, any HTTP/2 frames",
    [
      [ABUSE, "10,000 calls that are reset at once"],
      [ABUSE, "any frames at all leave the server serving"],
    ],
  ],
  R13: [
    "readers that do not read",
    [
      ["test/protocol/server-sent-events.test.ts", "does not read"],
      [ABUSE, "for too long is cut"],
    ],
  ],
  R14: ["content types that skip checks", [[BODIES, "any content type is read as JSON"]]],
  R16: ["cancels at any moment", [["test/protocol/grpc-stream.test.ts", "at any moment leaves nothing behind"]]],
  R17: ["a bad message inside a stream, then good ones", [["test/protocol/grpc-stream.test.ts", "1,000 good ones after it"]]],
  R19: [
    "errors that tell internals",
    [
      [FUZZ, "takes any JSON at all"],
      ["test/protocol/grpc-transport.test.ts", "what is no error of ours is INTERNAL"],
    ],
  ],
  R20: [
    "uploads that leave their folder",
    [["test/cluster/whole-models/model-control.test.ts", "a file that would leave the model's folder"]],
  ],
  R22: ["too many files", [[UPLOADS, "are limited in number"]]],
  R23: ["hostile configurations", [["test/unit/core/model/config/hostile-configs.test.ts", "with bytes changed"]]],
  R24: [
    "restricted calls by another way",
    [
      [ACCESS, "no spelling of a path and no other method"],
      [ACCESS, "asks for the right key"],
    ],
  ],
  R25: [
    "foreign hosts and origins",
    [
      [ACCESS, "may change nothing"],
      [BODIES, "a page of another origin may not post"],
    ],
  ],
  R26: ["an open address without keys", [[ACCESS, "is not listened on with %s"]]],
  R27: ["log and trace files chosen by clients", [["test/protocol/traps-models.test.ts", "`log_file` by API → 501"]]],
  R28: [
    "secrets in messages",
    [
      ["test/protocol/https.test.ts", "shows no secret"],
      ["test/unit/core/settings.test.ts", "secrets are not shown"],
    ],
  ],
  R30: [
    "reserved parameters by headers",
    [
      [TENSORS, "pass on headers that the pattern names"],
      ["test/protocol/grpc-kserve.test.ts", "with reserved metadata is refused"],
    ],
  ],
  R33: ["numbers beyond reason in sampling", [[FUZZ, "takes any JSON at all"]]],
  R40: ["tensors inside of chats", [[FUZZ, "takes any JSON at all"]]],
  R47: ["another tenant's name", [[ACCESS, "the tenant is the key's"]]],
  R49: ["hostile safetensors", [["test/unit/partitioner/sources/safetensors.test.ts", "with any byte changed"]]],
};

/** Rows of the doors that no test shows yet. */
const MISSING: Readonly<Record<string, string>> = {
  R15: "multipart bodies are read as JSON and refused as such: its time is not shown",
  R18: "50,000 connections that break, and the number of descriptors afterwards",
  R21: "names with shell characters through every call: only loads and unloads are shown",
  R29: "keys are compared by their digests in constant time: it is not measured",
  R31: "media addresses are refused by their type: no canary shows that nothing is fetched",
  R32: "paths in media fields: as R31",
  R34: "schemas and grammars are refused: there is no engine for them yet",
  R46: "sequence ids beyond 2^53 over HTTP: shown for parsing, not for whole sequences",
  R48: "1,000 loads, unloads and requests at a time: shown with fewer (reload-under-load)",
};

test.each(Object.entries(ROWS))("%s is shown by tests that are there", (_, [attack, shown]) => {
  expect(attack).not.toBe("");
  for (const [file, name] of shown) expect(readFileSync(join(ROOT, file), "utf8"), `${file}: ${name}`).toContain(name);
});

test("no row is shown and missing at once", () => {
  process.stdout.write(
    `${Object.keys(ROWS).length} attacks on doors are shown to fail, ${Object.keys(MISSING).length} are not shown yet\n`,
  );
  expect(Object.keys(MISSING).filter((row) => ROWS[row] !== undefined)).toEqual([]);
});
