/** Settings of the doors: who may come in, by what protocol, with how much. Names and defaults are Triton's where it has them. Pure. */
import { DOOR_DEFAULTS, type DoorOptions } from "../../core/door-options.ts";
import { byteSize, listOf, manyOf, oneOf, optional, type Setting, secret, setting, text, wholeNumber, yesNo } from "../../core/settings.ts";

const file = optional(text("a file"));
const restrictions = manyOf(secret(text("GROUP,GROUP:HEADER=VALUE")));
const pattern = optional(text("a regular expression"));
const milliseconds = wholeNumber(1, 2 ** 31 - 1);

/** A row for each option, and no other. */
export const DOOR_SETTINGS = {
  id: setting({ kind: text("a name"), fallback: DOOR_DEFAULTS.id, help: "the server's name in its metadata" }),
  insecure: yes("serve an address that other machines reach without TLS and API keys", "insecure"),
  allowHttp: yes("serve OpenAI's and Triton's HTTP APIs", "allowHttp"),
  allowGrpc: yes("serve Triton's gRPC API", "allowGrpc"),
  allowMetrics: yes("serve /metrics", "allowMetrics"),
  httpTlsCert: setting({
    kind: file,
    fallback: undefined,
    help: "certificate chain for HTTP and metrics, PEM; read again when it changes",
  }),
  httpTlsKey: setting({ kind: file, fallback: undefined, help: "its private key, PEM" }),
  grpcUseSsl: yes("serve gRPC over TLS", "grpcUseSsl"),
  grpcUseSslMutual: yes("and ask clients for a certificate", "grpcUseSslMutual"),
  grpcServerCert: setting({ kind: file, fallback: undefined, help: "certificate chain for gRPC, PEM; read again when it changes" }),
  grpcServerKey: setting({ kind: file, fallback: undefined, help: "its private key, PEM" }),
  grpcRootCert: setting({ kind: file, fallback: undefined, help: "who signs clients' certificates, PEM" }),
  apiKeysFile: setting({
    kind: file,
    fallback: undefined,
    help: "API keys as nereid key prints them, one a line; read again when it changes",
  }),
  apiKeys: setting({
    kind: optional(secret(text("lines with ; between them"))),
    fallback: undefined,
    help: "the same lines without a file",
  }),
  keyRequestsPerMinute: limit("requests of an API key in a minute, where its line says nothing of it"),
  keyTokensPerMinute: limit("the same for tokens of prompts and answers; four bytes of tensors are one"),
  keyTokensPerDay: limit("the same from midnight to midnight, UTC"),
  keyConcurrentRequests: limit("requests of an API key that run at once at a gateway"),
  httpRestrictedApi: setting({
    kind: restrictions,
    fallback: DOOR_DEFAULTS.httpRestrictedApi,
    help: "groups of HTTP calls that need a header, as Triton has them; may be repeated",
  }),
  grpcRestrictedProtocol: setting({
    kind: restrictions,
    fallback: DOOR_DEFAULTS.grpcRestrictedProtocol,
    help: "the same for gRPC, with triton-grpc-protocol- before the header's name",
  }),
  corsOrigins: setting({
    kind: listOf(text("an origin such as https://app.example, or *")),
    fallback: DOOR_DEFAULTS.corsOrigins,
    help: "whose pages may call from a browser",
  }),
  httpMaxInputSize: setting({ kind: byteSize(), fallback: DOOR_DEFAULTS.httpMaxInputSize, help: "largest body, also once it is inflated" }),
  grpcMaxMessageSize: setting({
    kind: byteSize(),
    fallback: DOOR_DEFAULTS.grpcMaxMessageSize,
    help: "largest message, also once it is inflated",
  }),
  httpHeaderForwardPattern: setting({ kind: pattern, fallback: undefined, help: "headers that become parameters of requests" }),
  grpcHeaderForwardPattern: setting({ kind: pattern, fallback: undefined, help: "metadata that becomes parameters of requests" }),
  grpcInferResponseCompressionLevel: setting<DoorOptions["grpcInferResponseCompressionLevel"]>({
    kind: oneOf(["none", "low", "medium", "high"]),
    fallback: DOOR_DEFAULTS.grpcInferResponseCompressionLevel,
    help: "compression of gRPC answers, for clients that take it",
  }),
  grpcKeepaliveTime: ms("a silent connection is asked after so long whether it is there", "grpcKeepaliveTime"),
  grpcKeepaliveTimeout: ms("and has so long to answer", "grpcKeepaliveTimeout"),
  grpcHttp2MinRecvPingIntervalWithoutData: ms("clients may ping so often without data", "grpcHttp2MinRecvPingIntervalWithoutData"),
  grpcHttp2MaxPingStrikes: setting({
    kind: wholeNumber(0, 1_000_000),
    fallback: DOOR_DEFAULTS.grpcHttp2MaxPingStrikes,
    help: "so many early pings are forgiven",
  }),
  grpcMaxConnectionAge: setting({
    kind: optional(milliseconds),
    fallback: undefined,
    fallbackText: "no limit",
    unit: "ms",
    help: "a connection's clients are sent to a new one after so long",
  }),
  grpcMaxConnectionAgeGrace: setting({
    kind: optional(milliseconds),
    fallback: undefined,
    fallbackText: "as long as they take",
    unit: "ms",
    help: "how long its calls may go on then",
  }),
  allowClientShm: setting({
    kind: optional(yesNo()),
    fallback: undefined,
    fallbackText: "on loopback only",
    help: "let clients on this machine share memory",
  }),
} satisfies { readonly [Name in keyof DoorOptions]: Setting<DoorOptions[Name]> };

type NamesOf<Value> = { readonly [Name in keyof DoorOptions]: DoorOptions[Name] extends Value ? Name : never }[keyof DoorOptions];

function yes(help: string, name: NamesOf<boolean>): Setting<boolean> {
  return setting<boolean>({ kind: yesNo(), fallback: DOOR_DEFAULTS[name], help });
}

function limit(help: string): Setting<number | undefined> {
  return setting<number | undefined>({
    kind: optional(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    fallback: undefined,
    fallbackText: "without limit",
    help,
  });
}

function ms(help: string, name: NamesOf<number>): Setting<number> {
  return setting<number>({ kind: milliseconds, fallback: DOOR_DEFAULTS[name], unit: "ms", help });
}
