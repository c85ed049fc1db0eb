/** A certificate for this machine that signs itself, made when it is needed: no key lies in the repository. */
import { generateKeyPairSync, sign } from "node:crypto";

export interface SelfSigned {
  /** PEM. */
  readonly key: string;
  /** PEM; its own authority. */
  readonly cert: string;
}

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT = 0x06;
const UTF8 = 0x0c;
const TIME = 0x18;
const BOOLEAN = 0x01;
const TRUE = Buffer.from([0xff]);

const ECDSA_WITH_SHA256 = der(OBJECT, Buffer.from("2a8648ce3d040302", "hex"));
const COMMON_NAME = der(OBJECT, Buffer.from("550403", "hex"));
const BASIC_CONSTRAINTS = der(OBJECT, Buffer.from("551d13", "hex"));
const ALTERNATIVE_NAMES = der(OBJECT, Buffer.from("551d11", "hex"));

/** For 127.0.0.1 and localhost, until 2099 unless said (as ASN.1 writes times). Source of the form: RFC 5280. */
export function selfSigned(name: string, until = "20991231000000Z"): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(SEQUENCE, ECDSA_WITH_SHA256);
  const who = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8, Buffer.from(name)))));
  const names = der(SEQUENCE, der(0x82, Buffer.from("localhost")), der(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = der(
    SEQUENCE,
    der(SEQUENCE, BASIC_CONSTRAINTS, der(BOOLEAN, TRUE), der(OCTET_STRING, der(SEQUENCE, der(BOOLEAN, TRUE)))),
    der(SEQUENCE, ALTERNATIVE_NAMES, der(OCTET_STRING, names)),
  );
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))), // version 3
    der(INTEGER, Buffer.from([1])),
    algorithm,
    who,
    der(SEQUENCE, der(TIME, Buffer.from("20200101000000Z")), der(TIME, Buffer.from(until))),
    who,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const certificate = der(SEQUENCE, body, algorithm, der(BIT_STRING, Buffer.concat([Buffer.from([0]), sign("sha256", body, privateKey)])));
  const base64 = certificate.toString("base64").replaceAll(/.{1,64}/g, "$&\n");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64}-----END CERTIFICATE-----\n`,
  };
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { byteLength } = content;
  const long = byteLength < 256 ? [0x81, byteLength] : [0x82, byteLength >> 8, byteLength & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(byteLength < 128 ? [byteLength] : long)]), content]);
}
