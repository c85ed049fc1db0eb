/** Flags of Perf Analyzer that are no settings of `nereid bench`, so that its command lines work or say what to write instead. Pure. */
import { ServingError } from "../../core/errors.ts";

/** What they set is not here, or is always so: they change nothing. */
const WITHOUT_EFFECT: readonly string[] = [
  "bls-composing-models",
  "model-signature-name",
  "verbose-csv",
  "serial-sequences",
  "log-frequency",
];

const CERTIFICATES =
  "certificates are verified: trust an authority with NODE_EXTRA_CA_CERTS, over gRPC with GRPC_DEFAULT_SSL_ROOTS_FILE_PATH";
const NO_CLIENT_CERTIFICATES = "nereid bench has no certificates of its own: let clients in with a key, -H Authorization:...";
const NO_C_API = "a server is loaded over HTTP or gRPC: start it, and give -u";
const TRACES = "set the server's trace settings before: POST /v2/trace/setting";
const SCHEDULES = "give --request-intervals, a file of the times between requests";

/** What they may say without changing anything, and what to write instead of all else. */
const REFUSED: Readonly<Record<string, { readonly remedy: string; readonly unless?: RegExp }>> = {
  "model-repository": { remedy: NO_C_API },
  "periodic-concurrency-range": { remedy: "give --concurrency-range: --profile-export-file has the time of each response" },
  "request-period": { remedy: "give --concurrency-range: --profile-export-file has the time of each response" },
  schedule: { remedy: SCHEDULES },
  "fixed-schedule": { remedy: SCHEDULES },
  "session-concurrency": { remedy: "give --concurrency-range and chats as --input-data" },
  "ssl-grpc-certificate-chain-file": { remedy: NO_CLIENT_CERTIFICATES },
  "ssl-grpc-private-key-file": { remedy: NO_CLIENT_CERTIFICATES },
  "ssl-grpc-root-certifications-file": { remedy: CERTIFICATES },
  "ssl-grpc-use-ssl": { remedy: "give -u https://HOST:PORT" },
  "ssl-https-ca-certificates-file": { remedy: CERTIFICATES },
  "ssl-https-client-certificate-file": { remedy: NO_CLIENT_CERTIFICATES },
  "ssl-https-client-certificate-type": { remedy: NO_CLIENT_CERTIFICATES },
  "ssl-https-private-key-file": { remedy: NO_CLIENT_CERTIFICATES },
  "ssl-https-private-key-type": { remedy: NO_CLIENT_CERTIFICATES },
  "ssl-https-verify-host": { remedy: CERTIFICATES, unless: /^2$/ },
  "ssl-https-verify-peer": { remedy: CERTIFICATES, unless: /^1$/ },
  "trace-count": { remedy: TRACES, unless: /^-1$/ },
  "trace-level": { remedy: TRACES, unless: /^OFF$/ },
  "trace-rate": { remedy: TRACES, unless: /^1000$/ },
  "triton-server-directory": { remedy: NO_C_API },
};

const SWITCHES = new Set(["verbose-csv", "serial-sequences", "ssl-grpc-use-ssl"]);

/** Deprecated and short ones, as they are written here. */
const WRITTEN: Readonly<Record<string, readonly string[]>> = {
  "-v": [],
  "-z": ["--input-data", "zero"],
  "-t": ["--concurrency-range"],
  "--data-directory": ["--input-data"],
};
const CONCURRENCIES = "give --concurrency-range 1:HIGHEST, and --latency-threshold";

export interface BenchWords {
  readonly argv: readonly string[];
  /** Flags that were left out, since they change nothing. */
  readonly ignored: readonly string[];
}

/** @param argv words after the program's name; those of other commands stay as they are @throws ServingError INVALID_ARGUMENT naming what to say instead */
export function withoutPerfAnalyzerFlags(argv: readonly string[]): BenchWords {
  if (argv[0] !== "bench") return { argv, ignored: [] };
  const kept: string[] = [];
  const ignored: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "-c" || word === "-d") throw refused(word, CONCURRENCIES);
    const [, flag = "", given] = /^(--?[a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const name = flag.slice(2);
    const rule = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
    if (rule === undefined && !WITHOUT_EFFECT.includes(name)) {
      const written = Object.hasOwn(WRITTEN, flag) ? WRITTEN[flag] : undefined;
      kept.push(...(written === undefined ? [word] : [...written, ...(given === undefined ? [] : [given])]));
      continue;
    }
    const takesNext = given === undefined && !SWITCHES.has(name);
    const value = given ?? (takesNext ? argv[++index] : undefined) ?? "";
    if (rule !== undefined && rule.unless?.test(value) !== true) throw refused(flag, rule.remedy);
    ignored.push(flag);
  }
  return { argv: kept, ignored };
}

const refused = (flag: string, remedy: string) => new ServingError("INVALID_ARGUMENT", `${flag} is Perf Analyzer's: ${remedy}`);
