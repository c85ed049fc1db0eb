/** Command lines for Perf Analyzer load a server with `nereid bench`, or say what to write instead. */
import { describe, expect, test } from "vitest";
import { withoutPerfAnalyzerFlags } from "../../../cli/bench/perf-analyzer-flags.ts";
import { BENCH_SETTINGS } from "../../../cli/bench/settings-table.ts";
import { flagOf } from "../../../core/settings.ts";

interface Given {
  readonly flag: string;
  /** undefined: a switch. */
  readonly value: string | undefined;
}

/** All of its options (its cli.md), with a value that says something. */
const FLAGS: readonly Given[] = [
  ...["-m", "-x", "--service-kind", "--bls-composing-models", "--model-signature-name", "--endpoint"],
  ...["--measurement-mode", "-p", "--measurement-interval", "--measurement-request-count", "-s", "--stability-percentage"],
  ...["--percentile", "--warmup-request-count", "--request-count", "-r", "--max-trials", "--concurrency-range"],
  ...["--periodic-concurrency-range", "--request-period", "--request-parameter", "--request-rate-range", "--request-distribution"],
  ...["-l", "--latency-threshold", "--request-intervals", "--max-threads", "--num-of-sequences", "--sequence-length"],
  ...["--sequence-length-variation", "--sequence-id-range", "--input-data", "-b", "--shape", "--string-data", "--string-length"],
  ...["--shared-memory", "--output-shared-memory-size", "--input-tensor-format", "--output-tensor-format", "-i", "-H"],
  ...["--grpc-compression-algorithm", "-u", "--ssl-grpc-root-certifications-file", "--ssl-grpc-private-key-file"],
  ...["--ssl-grpc-certificate-chain-file", "--ssl-https-verify-peer", "--ssl-https-verify-host", "--ssl-https-ca-certificates-file"],
  ...["--ssl-https-client-certificate-file", "--ssl-https-client-certificate-type", "--ssl-https-private-key-file"],
  ...["--ssl-https-private-key-type", "--triton-server-directory", "--model-repository", "--metrics-url", "--metrics-interval", "-f"],
  ...["--profile-export-file", "--trace-level", "--trace-rate", "--trace-count", "--log-frequency", "--data-directory", "-c", "-t"],
  ...["--session-concurrency", "--schedule"],
].map((flag) => ({ flag, value: "some" }));
const SWITCHES: readonly Given[] = [
  "-v",
  "--binary-search",
  "--serial-sequences",
  "-a",
  "--async",
  "--sync",
  "--streaming",
  "--ssl-grpc-use-ssl",
]
  .concat(["--collect-metrics", "--verbose-csv", "-d", "-z"])
  .map((flag) => ({ flag, value: undefined }));

const settings = Object.entries(BENCH_SETTINGS).flatMap(([name, { short }]) => [
  flagOf(name),
  ...(short === undefined ? [] : [`-${short}`]),
]);
/** Deprecated ones, and what they are written as. */
const WRITTEN: Readonly<Record<string, readonly string[]>> = {
  "-v": [],
  "-z": ["--input-data", "zero"],
  "-t": ["--concurrency-range", "some"],
  "--data-directory": ["--input-data", "some"],
};

describe("a flag of Perf Analyzer", () => {
  test.each([...FLAGS, ...SWITCHES])(
    "$flag is a setting, changes nothing and is told so, or is refused with what to say instead",
    ({ flag, value }) => {
      const words = value === undefined ? [flag] : [flag, value];
      const outcome = () => withoutPerfAnalyzerFlags(["bench", ...words, "-m", "x"]);
      if (settings.includes(flag)) expect(outcome()).toEqual({ argv: ["bench", ...words, "-m", "x"], ignored: [] });
      else if (WRITTEN[flag] !== undefined)
        expect(outcome()).toEqual({ argv: ["bench", ...(WRITTEN[flag] ?? []), "-m", "x"], ignored: [] });
      else {
        try {
          expect(outcome()).toEqual({ argv: ["bench", "-m", "x"], ignored: [flag] });
        } catch {
          expect(outcome).toThrow(`${flag} is Perf Analyzer's: `);
        }
      }
    },
  );

  test("that says what is so anyway is taken, in either form", () => {
    const words = ["bench", "--trace-level=OFF", "--ssl-https-verify-peer", "1", "-m", "x"];
    expect(withoutPerfAnalyzerFlags(words)).toEqual({ argv: ["bench", "-m", "x"], ignored: ["--trace-level", "--ssl-https-verify-peer"] });
  });

  test("means nothing to other commands", () => {
    const words = ["up", "--model-repository", "models"];
    expect(withoutPerfAnalyzerFlags(words)).toEqual({ argv: words, ignored: [] });
  });
});
