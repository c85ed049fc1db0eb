import { describe, expect, test } from "vitest";
import { certificateNames, isNamed } from "../../../core/certificate-names.ts";

describe("whom a certificate is for", () => {
  test("is its common name, its DNS names and URIs, and its units, which pass for no name", () => {
    const subject = { CN: "gateway-1", OU: ["gateways", "east"] };
    const subjectaltname = "DNS:gateway-1.prod.svc, IP Address:10.0.0.1, URI:spiffe://prod/ns/nereid/sa/gateway";
    expect(certificateNames({ subject, subjectaltname })).toEqual([
      "gateway-1",
      "OU=gateways",
      "OU=east",
      "gateway-1.prod.svc",
      "spiffe://prod/ns/nereid/sa/gateway",
    ]);
    expect(certificateNames({})).toEqual([]);
  });

  test("is never what stands inside of another name", () => {
    expect(certificateNames({ subjectaltname: 'URI:"http://a/?x=, DNS:gateway", DNS:b' })).toEqual(["http://a/?x=, DNS:gateway", "b"]);
    expect(certificateNames({ subjectaltname: 'DNS:a, DNS:"b, DNS:gateway' })).toEqual([]);
    expect(certificateNames({ subjectaltname: "email:x, othername:<unsupported>, DNS:b" })).toEqual(["b"]);
  });
});

test.each([
  ["gateway-1", "gateway-1", true],
  ["gateway-1", "gateway-*", true],
  ["gateway-1", "*", true],
  ["gateway-1", "gateway", false],
  ["agent-gateway-1", "gateway-*", false],
  ["a.gateway.svc", "*.gateway.svc", true],
  ["gateway.svc", "*.gateway.svc", false],
  ["abab", "ab*ab", true],
  ["aba", "ab*ba", false],
  ["spiffe://prod/ns/x/sa/gateway", "spiffe://prod/*/sa/gateway", true],
  ["gateway+1", "gateway.1", false],
] as const)("%s against %s: %s", (name, pattern, is) => expect(isNamed(name, pattern)).toBe(is));
