/** A collector of OpenTelemetry traces: takes OTLP over HTTP in protobuf and keeps the spans. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { sleep, systemClock } from "../../core/clock.ts";

export interface ReceivedEvent {
  readonly name: string;
  readonly atNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it has none. */
  readonly parentId: string;
  readonly name: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly ReceivedEvent[];
  /** 2: it has failed. */
  readonly status: number;
}

export interface TraceReceiver extends AsyncDisposable {
  /** What `--otlp-endpoint` takes. */
  readonly endpoint: string;
  /** As they came. */
  readonly bodies: readonly Uint8Array[];
  readonly spans: readonly ReceivedSpan[];
  /** Resolves when a span of this name has come; spans leave their process together, the last to end last. */
  until(name: string, count?: number): Promise<readonly ReceivedSpan[]>;
}

export async function startTraceReceiver(): Promise<TraceReceiver> {
  const bodies: Uint8Array[] = [];
  const spans: ReceivedSpan[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const sent = Buffer.concat(chunks);
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
    bodies.push(body);
    if (request.url === "/v1/traces") spans.push(...spansOf(body));
    response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    bodies,
    spans,
    async until(name, count = 1) {
      const { signal } = new AbortController();
      while (spans.filter((span) => span.name === name).length < count) await sleep(systemClock, 20, signal);
      return spans;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

// Field numbers of opentelemetry/proto/collector/trace/v1 and opentelemetry/proto/trace/v1.

function spansOf(body: Uint8Array): readonly ReceivedSpan[] {
  const resources = fieldsOf(body).get(1) ?? [];
  const scopes = resources.flatMap((resource) => fieldsOf(bytes(resource)).get(2) ?? []);
  return scopes.flatMap((scope) => fieldsOf(bytes(scope)).get(2) ?? []).map((span) => spanOf(fieldsOf(bytes(span))));
}

type Fields = ReadonlyMap<number, readonly unknown[]>;

function spanOf(fields: Fields): ReceivedSpan {
  return {
    traceId: hex(fields.get(1)?.[0]),
    spanId: hex(fields.get(2)?.[0]),
    parentId: hex(fields.get(4)?.[0]),
    name: text(fields.get(5)?.[0]),
    startNs: BigInt(String(fields.get(7)?.[0] ?? 0)),
    endNs: BigInt(String(fields.get(8)?.[0] ?? 0)),
    attributes: attributesOf(fields.get(9)),
    events: (fields.get(11) ?? []).map((event) => {
      const inner = fieldsOf(bytes(event));
      return { atNs: BigInt(String(inner.get(1)?.[0] ?? 0)), name: text(inner.get(2)?.[0]), attributes: attributesOf(inner.get(3)) };
    }),
    status: Number(fieldsOf(bytes(fields.get(15)?.[0])).get(3)?.[0] ?? 0),
  };
}

function attributesOf(pairs: readonly unknown[] = []): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const fields = fieldsOf(bytes(pair));
      const [[kind, [value] = []] = []] = fieldsOf(bytes(fields.get(2)?.[0]));
      return [text(fields.get(1)?.[0]), kind === 1 ? text(value) : kind === 3 ? Number(value) : value];
    }),
  );
}

/** By number; messages and texts as bytes. */
function fieldsOf(message: Uint8Array): Fields {
  const reader = new BinaryReader(message);
  const fields = new Map<number, unknown[]>();
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const value = read(reader, wireType);
    const values = fields.get(number);
    if (values === undefined) fields.set(number, [value]);
    else values.push(value);
  }
  return fields;
}

function read(reader: BinaryReader, wireType: number): unknown {
  switch (wireType) {
    case 0:
      return reader.uint64();
    case 1:
      return reader.fixed64();
    case 2:
      return reader.bytes();
    default:
      return reader.fixed32();
  }
}

const bytes = (value: unknown): Uint8Array => (value instanceof Uint8Array ? value : new Uint8Array());
const text = (value: unknown): string => new TextDecoder().decode(bytes(value));
const hex = (value: unknown): string => Buffer.from(bytes(value)).toString("hex");
