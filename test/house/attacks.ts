/**
 * What has been done to other servers: number, where it was seen, what was sent, and the tests that show that it does not work here, by
 * file and a part of the test's name. Numbers are kept; a new advisory is a new row.
 */
export interface Attack {
  readonly id: string;
  readonly source: string;
  readonly attack: string;
  readonly shown: readonly (readonly [file: string, name: string])[];
}

const ACCESS = "test/protocol/access.test.ts";
const ABUSE = "test/protocol/grpc-abuse.test.ts";
const ATTACKS = "test/protocol/attacks.test.ts";
const BANS = "test/house/bans.test.ts";
const BODIES = "test/protocol/bodies.test.ts";
const EXTERNAL = "test/unit/core/repository/external-data.test.ts";
const FRAMES = "test/unit/core/wire/frame.test.ts";
const HTTP2 = "test/protocol/http2.test.ts";
const FUZZ = "test/protocol/fuzz.test.ts";
const INFER_HEAD = "test/unit/gateway/kserve/infer/infer-head.test.ts";
const LISTENING = "test/cluster/processes/serving.test.ts";
const RIGHTS = "test/contract/servers/redis-rights.test.ts";
const SEQUENCES = "test/cluster/whole-models/sequences.test.ts";
const STEPS = "test/unit/core/wire/step-codec.test.ts";
const SUBJECT_RIGHTS = "test/contract/servers/nats-rights.test.ts";
const TENSORS = "test/protocol/kserve-tensors.test.ts";
const UPLOADS = "test/unit/core/repository/model-sources.test.ts";

type Row = readonly [id: string, source: string, attack: string, ...shown: readonly (readonly [file: string, name: string])[]];

const ROWS: readonly Row[] = [
  ["R01", "CVE-2025-23310, -23311 Triton", "floods of tiny chunks", [BODIES, "more than 65,536 chunks are refused"]],
  [
    "R02",
    "CVE-2025-33201, -33202 Triton",
    "bodies beyond the limit, announced or not",
    [BODIES, "a body of 65 MiB is 413"],
    [BODIES, "the same in chunks is refused"],
  ],
  [
    "R03",
    "CVE-2026-24158, -24264 Triton",
    "compressed bombs",
    [TENSORS, "that inflate beyond the limit are refused before they do"],
    [FUZZ, "compressed bodies may be anything"],
  ],
  [
    "R04",
    "CVE-2024-37168 grpc-js",
    "gRPC messages that inflate",
    [ABUSE, "200 small messages that inflate beyond the limit"],
    [ABUSE, "requests that are too large together"],
  ],
  ["R05", "CVE-2025-23325 Triton", "deep JSON", [BODIES, "JSON of 100,000 levels is 400"]],
  [
    "R06",
    "CVE-2025-23323, CVE-2026-24173 Triton",
    "shapes that overflow",
    [INFER_HEAD, "when no machine could count its elements"],
    [FUZZ, "takes any JSON at all"],
    [FUZZ, "binary data may lie about every length"],
  ],
  [
    "R07",
    "Triton be7d4b1a1",
    "small JSON that becomes a large tensor",
    ["test/unit/gateway/kserve/json/tensor-data-reader.test.ts", "before it takes more memory than the limit"],
  ],
  ["R08", "CVE-2026-24146 Triton", "names twice, lists without end", [INFER_HEAD, "already exists"]],
  ["R09", "CVE-2026-24175, -47480 Triton", "lies in Inference-Header-Content-Length", [FUZZ, "binary data may lie about every length"]],
  ["R10", "CVE-2025-48956 vLLM", "headers beyond limits", [BODIES, "headers beyond 16 KiB or 100 are 431"]],
  ["R11", "request smuggling", "two framings of one body", [BODIES, "two framings of one body are refused"]],
  [
    "R12",
    "CVE-2023-44487, CVE-2025-59465",
    "floods of resets, any HTTP/2 frames",
    [ABUSE, "10,000 calls that are reset at once"],
    [ABUSE, "any frames at all leave the server serving"],
  ],
  [
    "R13",
    "CVE-2026-25224 fastify",
    "readers that do not read",
    ["test/protocol/server-sent-events.test.ts", "does not read"],
    [ABUSE, "for too long is cut"],
  ],
  ["R14", "CVE-2022-39288, CVE-2025-32442 fastify", "content types that skip checks", [BODIES, "any content type is read as JSON"]],
  ["R15", "CVE-2024-9056 BentoML", "multipart boundaries that cost time", [ATTACKS, "R15: "]],
  [
    "R16",
    "CVE-2025-23322, CVE-2025-33254 Triton",
    "cancels at any moment",
    ["test/protocol/grpc-stream.test.ts", "at any moment leaves nothing behind"],
    [ATTACKS, "R16: "],
  ],
  [
    "R17",
    "CVE-2026-24266 Triton",
    "a bad message inside a stream, then good ones",
    ["test/protocol/grpc-stream.test.ts", "1,000 good ones after it"],
  ],
  ["R18", "CVE-2026-47478, e24fd86da Triton", "connections that break, by the thousand", [ATTACKS, "R18: "]],
  [
    "R19",
    "CVE-2025-23320, CVE-2026-22778",
    "errors that tell internals",
    [FUZZ, "takes any JSON at all"],
    ["test/protocol/grpc-transport.test.ts", "what is no error of ours is INTERNAL"],
  ],
  [
    "R20",
    "CVE-2023-31036 Triton",
    "uploads that leave their folder",
    ["test/cluster/whole-models/model-control.test.ts", "a file that would leave the model's folder"],
  ],
  [
    "R21",
    "CVE-2025-23316 Triton",
    "model names that a shell would read",
    [ATTACKS, "R21: names"],
    [ATTACKS, "R21: nor over gRPC"],
    ["test/contract/repository.ts", "there is no model %j"],
  ],
  ["R22", "CVE-2024-53880 Triton", "too many files, names too long", [UPLOADS, "are limited in number"]],
  [
    "R23",
    "CVE-2025-23336, CVE-2026-24147 Triton",
    "hostile configurations",
    ["test/unit/core/model/config/hostile-configs.test.ts", "with bytes changed"],
    ["test/unit/node-agent/models/onnx-config-session.test.ts", "do not lead to other files"],
  ],
  [
    "R24",
    "CVE-2026-24206, -24207, -47481 Triton",
    "restricted calls by another way",
    [ACCESS, "no spelling of a path and no other method"],
    [ACCESS, "asks for the right key"],
  ],
  [
    "R25",
    "CVE-2026-27482, CVE-2025-62593 Ray",
    "foreign hosts and origins",
    [ACCESS, "may change nothing"],
    [BODIES, "a page of another origin may not post"],
  ],
  ["R26", "CVE-2023-48022 Ray", "an open address without keys", [ACCESS, "is not listened on with %s"]],
  [
    "R27",
    "CVE-2024-0087, -0100 Triton",
    "log and trace files chosen by clients",
    ["test/protocol/traps-models.test.ts", "`log_file` by API → 501"],
  ],
  [
    "R28",
    "Triton a550e3cd0",
    "secrets in messages",
    ["test/protocol/https.test.ts", "shows no secret"],
    ["test/unit/core/settings.test.ts", "secrets are not shown"],
  ],
  ["R29", "CVE-2025-59425 vLLM", "keys compared in telling time", ["test/unit/gateway/access/api-keys.test.ts", "R29: "]],
  [
    "R30",
    "Triton 69987b7b0",
    "reserved parameters by headers",
    [TENSORS, "pass on headers that the pattern names"],
    ["test/protocol/grpc-kserve.test.ts", "takes metadata that matches the pattern as parameters, and refuses reserved names"],
  ],
  ["R31", "CVE-2026-24779 vLLM, CVE-2026-47614 Dynamo", "addresses in messages that lead inside", [ATTACKS, "R31, R32: "]],
  ["R32", "CVE-2026-47612 Dynamo", "paths in messages", [ATTACKS, "R31, R32: "]],
  [
    "R33",
    "CVE-2026-34756 vLLM, CVE-2026-21869 llama.cpp",
    "numbers beyond reason in sampling",
    [ATTACKS, "R33: "],
    [FUZZ, "takes any JSON at all"],
  ],
  ["R34", "CVE-2025-48942, -48943, -48944 vLLM", "broken schemas, expressions and tools", [ATTACKS, "R34: "]],
  [
    "R35",
    "CVE-2025-48887 vLLM",
    "expressions that backtrack on texts of clients and models",
    ["test/unit/gateway/text/stop-window.test.ts", "for a stop that nearly matches everywhere"],
    [ATTACKS, "R34: "],
  ],
  ["R36", "CVE-2025-32381 XGrammar", "schemas that fill a cache", [ATTACKS, "R36, R37: "]],
  ["R37", "CVE-2025-29770 vLLM", "schemas that fill a disk", [ATTACKS, "R36, R37: "]],
  [
    "R38",
    "CVE-2025-46570, -25183 vLLM",
    "a cache that tells of other tenants' prompts",
    ["test/unit/node-agent/generation/shared-prefix.test.ts", "shares nothing with another tenant"],
    ["test/unit/gateway/routing/prefix-affinity.test.ts", "prompts have as many keys in common"],
  ],
  [
    "R39",
    "CVE-2026-24255 Dynamo",
    "equal bytes of another shape in a cache",
    ["test/unit/node-agent/scheduling/response-cache.test.ts", "another shape with the same bytes"],
  ],
  ["R40", "CVE-2025-62164 vLLM", "tensors inside of chats", [ATTACKS, "R40: "]],
  [
    "R41",
    "CVE-2025-32444 vLLM, CVE-2026-3059 SGLang",
    "frames between nodes that run as code",
    [FRAMES, "a damaged stream ends with an error"],
    [STEPS, "damaged steps are refused"],
    [BANS, "no code out of data"],
    [SUBJECT_RIGHTS, "an agent one hears what is said to that node"],
    [SUBJECT_RIGHTS, "R41: nobody without a password"],
  ],
  [
    "R42",
    "GHSA-wcr5-566p-9cwj llama.cpp",
    "tensors between nodes that lie about their shape",
    [STEPS, "a list that claims more items than bytes follow"],
    [STEPS, "numbers that are no numbers do not pass the check"],
    ["test/unit/core/wire/model-wire.test.ts", "rooms of another size than the payload are refused"],
  ],
  ["R43", "CVE-2026-27571 NATS, CVE-2024-35199 TorchServe", "ports that nobody meant to open", [LISTENING, "R43: "]],
  [
    "R44",
    "CVE-2025-49844, CVE-2024-31228 Redis",
    "scripts and patterns in the store",
    [RIGHTS, "R44: a gateway places models"],
    [RIGHTS, "R44: nobody with"],
  ],
  ["R45", "CVE-2026-41242 protobufjs", "schemas that become code", ["test/house/security.test.ts", "R45: "]],
  ["R46", "ours", "sequence ids that lose their last bits", [SEQUENCES, "R46: ids beside 2^53"], [SEQUENCES, "R46: an id that is no"]],
  [
    "R47",
    "OWASP API1",
    "another tenant's name",
    [ACCESS, "the tenant is the key's"],
    ["test/unit/node-agent/engines/sequence/sequence-engine.test.ts", "texts, numbers and tenants have their own"],
    ["test/protocol/resumed-streams.test.ts", "R47: "],
    ["test/simulation/cluster/resume.test.ts", "to another tenant the generation does not exist"],
  ],
  [
    "R48",
    "CVE-2026-47620, -47621 Dynamo",
    "loads, unloads and requests at a time",
    ["test/cluster/whole-models/reload-under-load.test.ts", "R48: "],
  ],
  ["R49", "safetensors audit", "hostile safetensors", ["test/unit/partitioner/sources/safetensors.test.ts", "with any byte changed"]],
  [
    "R50",
    "CVE-2024-27318, CVE-2026-27489, -34446 ONNX",
    "tensors that lie outside of the model's folder",
    [EXTERNAL, "do not lie in %j"],
    [EXTERNAL, "do not lie beyond their file"],
  ],
  [
    "R51",
    "ONNX graph abuse",
    "graphs without end",
    [EXTERNAL, "of a thousand graphs within one another"],
    [EXTERNAL, "of more nodes than any model has"],
    [EXTERNAL, "that says it is longer than its file"],
  ],
  [
    "R52",
    "CVE-2025-27520 BentoML, CVE-2026-22807 vLLM",
    "code in a model's folder",
    ["test/unit/partitioner/sources/open-checkpoint.test.ts", "R52: "],
  ],
  [
    "R53",
    "CVE-2026-47487 Triton",
    "names that a tool takes and the server would not",
    ["test/unit/cli/pull/import-file.test.ts", "names what is wrong with the file or the name"],
  ],
  [
    "R54",
    "tampered weights",
    "a changed byte in a shard or a download",
    ["test/unit/partitioner/cutting/cut-shard.test.ts", "a damaged shard is cut again"],
    ["test/unit/cli/pull/pull-model.test.ts", "keeps nothing whose digest is wrong"],
  ],
  [
    "R55",
    "CVE-2024-27316, -27983 Apache, Node",
    "CONTINUATION without end",
    [HTTP2, "CONTINUATION without end"],
    ["test/unit/gateway/http2/header-reader.test.ts", "is too much"],
  ],
  [
    "R56",
    "CVE-2025-8671 (MadeYouReset)",
    "frames that have the server reset calls",
    [HTTP2, "calls that the server has to reset"],
    [HTTP2, "calls without a path"],
  ],
  [
    "R57",
    "CVE-2019-9511 to -9518",
    "floods of frames that bring nothing, and of answers that nobody reads",
    [HTTP2, "empty DATA"],
    [HTTP2, "SETTINGS"],
    [HTTP2, "reads none of their answers is not read on"],
  ],
  [
    "R58",
    "CVE-2016-1544, -6581 nghttp2, hpack",
    "headers that grow when they are decompressed",
    ["test/unit/gateway/http2/hpack/decoder.test.ts", "names one large entry again and again is cut at the limit"],
  ],
];

export const ATTACKS_SEEN: readonly Attack[] = ROWS.map(([id, source, attack, ...shown]) => ({ id, source, attack, shown }));
