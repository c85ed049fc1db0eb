/** Command lines for tritonserver work, or say what to write instead. */
import { describe, expect, test } from "vitest";
import { UP_SETTINGS } from "../../../../cli/settings/settings-tables.ts";
import { withoutTritonFlags } from "../../../../cli/settings/triton-flags.ts";
import { flagOf } from "../../../../core/settings.ts";

/** All of tritonserver's options (command-line.md section 1). */
const FLAGS = `model-repository model-store model-control-mode load-model repository-poll-secs exit-on-error exit-timeout-secs
  strict-readiness disable-auto-complete-config strict-model-config model-config-name model-namespacing model-load-thread-count
  model-load-retry-count model-load-gpu-limit id allow-http http-address http-port reuse-http-port http-thread-count
  http-max-input-size http-header-forward-pattern http-restricted-api allow-grpc grpc-address grpc-port reuse-grpc-port
  grpc-header-forward-pattern grpc-infer-thread-count grpc-infer-allocation-pool-size grpc-max-response-pool-size grpc-use-ssl
  grpc-use-ssl-mutual grpc-server-cert grpc-server-key grpc-root-cert grpc-infer-response-compression-level grpc-keepalive-time
  grpc-keepalive-timeout grpc-keepalive-permit-without-calls grpc-http2-max-pings-without-data
  grpc-http2-min-recv-ping-interval-without-data grpc-http2-max-ping-strikes grpc-max-connection-age grpc-max-connection-age-grace
  grpc-restricted-protocol allow-metrics allow-gpu-metrics allow-cpu-metrics metrics-address metrics-port metrics-interval-ms
  metrics-config trace-config log-verbose log-info log-warning log-error log-format log-file rate-limit rate-limit-resource
  cache-config cache-directory backend-directory repoagent-directory backend-config host-policy pinned-memory-pool-byte-size
  cuda-memory-pool-byte-size cuda-virtual-address-size min-supported-compute-capability buffer-manager-thread-count
  enable-peer-access allow-client-shm allow-sagemaker sagemaker-port sagemaker-safe-port-range sagemaker-thread-count
  allow-vertex-ai vertex-ai-port vertex-ai-default-model`.split(/\s+/);

const LOG_LEVEL = ["--log-level", "debug", "info"];

const settings = Object.entries(UP_SETTINGS).flatMap(([name, row]) => [name, ...("aliases" in row ? (row.aliases ?? []) : [])].map(flagOf));

describe("a flag of tritonserver", () => {
  test.each(FLAGS)("--%s is a setting, changes nothing, or is refused with what to say instead", (flag) => {
    const word = `--${flag}=true`;
    if (settings.includes(`--${flag}`)) {
      expect(withoutTritonFlags([word])).toEqual([word]);
      return;
    }
    const outcome = () => withoutTritonFlags(["up", word, "--nodes", "1"]).filter((kept) => !LOG_LEVEL.includes(kept));
    try {
      expect(outcome()).toEqual(["up", "--nodes", "1"]);
    } catch {
      expect(outcome).toThrow(`--${flag} is tritonserver's: `);
    }
  });

  test("that changes nothing takes its value along, in either form", () => {
    expect(withoutTritonFlags(["up", "--http-thread-count", "8", "--pinned-memory-pool-byte-size=0", "--nodes", "1"])).toEqual([
      "up",
      "--nodes",
      "1",
    ]);
    expect(withoutTritonFlags(["up", "--allow-gpu-metrics", "--nodes", "1"])).toEqual(["up", "--nodes", "1"]);
    expect(withoutTritonFlags(["up", "--allow-gpu-metrics", "false", "--nodes", "1"])).toEqual(["up", "--nodes", "1"]);
  });

  test("for something that is not here is taken when it is off, and refused when it is on", () => {
    expect(withoutTritonFlags(["--allow-sagemaker=false", "--model-namespacing", "false"])).toEqual([]);
    expect(() => withoutTritonFlags(["--model-namespacing"])).toThrow("rename one of two");
  });

  test.each([
    [["--log-verbose=1"], ["--log-level", "debug"]],
    [
      ["--log-verbose", "0", "--log-info=true"],
      ["--log-level", "info"],
    ],
    [
      ["--log-info=1", "--log-verbose", "2"],
      ["--log-level", "debug"],
    ],
    [["--log-info", "false", "--log-warning=true", "--log-error=true"], []],
    [["--log-warning=false"], ["--log-level", "error"]],
    [
      ["--log-warning=0", "--log-error=0"],
      ["--log-level", "silent"],
    ],
    [
      ["--log-level", "warn", "--log-verbose=1"],
      ["--log-level", "warn"],
    ],
  ])("of what is logged, %j, is %j here", (given, expected) => {
    expect(withoutTritonFlags(given)).toEqual(expected);
  });

  test("names ours where another one does it", () => {
    expect(() => withoutTritonFlags(["--log-file", "x"])).toThrow("--log-file is tritonserver's: the log goes to standard error");
    expect(() => withoutTritonFlags(["--exit-timeout-secs=30"])).toThrow("give --drain-ms");
  });
});
