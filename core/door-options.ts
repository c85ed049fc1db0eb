/** How the doors are opened and for whom: what the command line reads and a gateway obeys. Named as Triton's flags where it has them. Pure. */

export interface DoorOptions {
  /** The server's name, in its metadata. */
  readonly id: string;
  readonly allowHttp: boolean;
  readonly allowGrpc: boolean;
  readonly allowMetrics: boolean;
  /** Serves an address that others can reach without TLS and keys. */
  readonly insecure: boolean;
  /** Files of PEM; undefined: in plain text. For HTTP and metrics. */
  readonly httpTlsCert: string | undefined;
  readonly httpTlsKey: string | undefined;
  readonly grpcUseSsl: boolean;
  /** Clients have to show a certificate that `grpcRootCert` has signed. */
  readonly grpcUseSslMutual: boolean;
  readonly grpcServerCert: string | undefined;
  readonly grpcServerKey: string | undefined;
  readonly grpcRootCert: string | undefined;
  /** A file of key lines, as `nereid key` prints them; read again when it changes. */
  readonly apiKeysFile: string | undefined;
  /** The same lines, with `;` between them. */
  readonly apiKeys: string | undefined;
  /** What each API key may use whose line says nothing of it; undefined: without limit. */
  readonly keyRequestsPerMinute: number | undefined;
  readonly keyTokensPerMinute: number | undefined;
  readonly keyTokensPerDay: number | undefined;
  readonly keyConcurrentRequests: number | undefined;
  /** `GROUP,GROUP:HEADER=VALUE`. */
  readonly httpRestrictedApi: readonly string[];
  readonly grpcRestrictedProtocol: readonly string[];
  /** Origins whose pages may call; `*` is any. */
  readonly corsOrigins: readonly string[];
  readonly httpMaxInputSize: number;
  readonly grpcMaxMessageSize: number;
  /** Regular expressions for names of headers that become request parameters. */
  readonly httpHeaderForwardPattern: string | undefined;
  readonly grpcHeaderForwardPattern: string | undefined;
  readonly grpcInferResponseCompressionLevel: "none" | "low" | "medium" | "high";
  readonly grpcKeepaliveTime: number;
  readonly grpcKeepaliveTimeout: number;
  readonly grpcHttp2MinRecvPingIntervalWithoutData: number;
  readonly grpcHttp2MaxPingStrikes: number;
  /** Milliseconds after which a connection's clients are sent away; undefined: never. */
  readonly grpcMaxConnectionAge: number | undefined;
  /** How long its calls may then go on; undefined: as long as they take. */
  readonly grpcMaxConnectionAgeGrace: number | undefined;
  /** undefined: where only this machine can reach the server. */
  readonly allowClientShm: boolean | undefined;
}

export const DOOR_DEFAULTS: DoorOptions = {
  id: "nereid",
  allowHttp: true,
  allowGrpc: true,
  allowMetrics: true,
  insecure: false,
  httpTlsCert: undefined,
  httpTlsKey: undefined,
  grpcUseSsl: false,
  grpcUseSslMutual: false,
  grpcServerCert: undefined,
  grpcServerKey: undefined,
  grpcRootCert: undefined,
  apiKeysFile: undefined,
  apiKeys: undefined,
  keyRequestsPerMinute: undefined,
  keyTokensPerMinute: undefined,
  keyTokensPerDay: undefined,
  keyConcurrentRequests: undefined,
  httpRestrictedApi: [],
  grpcRestrictedProtocol: [],
  corsOrigins: [],
  httpMaxInputSize: 64 * 2 ** 20,
  grpcMaxMessageSize: 64 * 2 ** 20,
  httpHeaderForwardPattern: undefined,
  grpcHeaderForwardPattern: undefined,
  grpcInferResponseCompressionLevel: "none",
  grpcKeepaliveTime: 7_200_000,
  grpcKeepaliveTimeout: 20_000,
  grpcHttp2MinRecvPingIntervalWithoutData: 300_000,
  grpcHttp2MaxPingStrikes: 2,
  grpcMaxConnectionAge: undefined,
  grpcMaxConnectionAgeGrace: undefined,
  allowClientShm: undefined,
};
