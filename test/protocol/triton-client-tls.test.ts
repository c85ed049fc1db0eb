/** Triton's own clients over TLS (gRPC's mutual), with API keys and restricted groups: every option that they have for it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { seededRandom } from "../../core/random.ts";
import { newApiKey } from "../../gateway/access/api-keys.ts";
import { pythonJson } from "../support/python.ts";
import { selfSigned } from "../support/self-signed.ts";
import { startDoors } from "./open-doors.ts";

const SCRIPT = fileURLToPath(new URL("tls_clients.py", import.meta.url));

test("Triton's clients come in over TLS with a key that their plugin adds, and with the header of a restricted group", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "nereid-tls-"));
  const [cert, key] = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
  try {
    const signed = selfSigned("clients");
    writeFileSync(cert, signed.cert);
    writeFileSync(key, signed.key);
    const mine = newApiKey(seededRandom(3n), { tenant: "acme", access: ["inference"] });
    await using doors = await startDoors({
      httpTlsCert: cert,
      httpTlsKey: key,
      grpcUseSslMutual: true,
      grpcServerCert: cert,
      grpcServerKey: key,
      grpcRootCert: cert,
      apiKeys: mine.line,
      httpRestrictedApi: ["metadata:team=blue"],
      grpcRestrictedProtocol: ["metadata:team=blue"],
    });
    const addresses = [doors.httpAddress?.replace("https://", "") ?? "", doors.grpcAddress ?? ""];
    const results = Object(await pythonJson(SCRIPT, [...addresses, cert, key, mine.key]));
    const needed = "an API key is needed: send it as 'Authorization: Bearer KEY'";
    const all = (unauthenticated: string, refusal: readonly string[]) => ({
      live: true,
      without_key: [unauthenticated, needed],
      with_key: [2, 4, 6, 8],
      restricted: refusal,
      with_header: "add_sub",
    });
    const overHttp = all("401", ["403", "This API is restricted, expecting header 'team'"]);
    const overGrpc = all("StatusCode.UNAUTHENTICATED", [
      "StatusCode.UNAVAILABLE",
      "This protocol is restricted, expecting header 'triton-grpc-protocol-team'",
    ]);
    expect(results).toEqual({
      http: overHttp,
      "http with a context": overHttp,
      "http whatever the name": overHttp,
      "http that trusts others": "CERTIFICATE_VERIFY_FAILED",
      "http.aio": overHttp,
      grpc: overGrpc,
      "grpc with credentials": overGrpc,
      "grpc.aio": overGrpc,
      "grpc.aio with credentials": overGrpc,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
