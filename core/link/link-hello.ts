/**
 * How two ends of a link over a socket meet. The dialer says first; the answer names the protocol that both will speak. Pure.
 *
 * | offset | bytes | field |
 * | --- | --- | --- |
 * | 0 | 4 | `NRDL` |
 * | 4 | 2 | protocol number, u16 little-endian: from the dialer its newest, in the answer the one that is spoken |
 * | 6 | 2 | zero |
 * | 8 | 32 | the session, as hexadecimal digits; the same in the answer |
 */
import { ServingError } from "../errors.ts";

/** Counts up when what travels over a link changes, so that versions can meet during a rolling update. */
export const LINK_PROTOCOL = 1;
const LINK_PROTOCOL_OLDEST = 1;
export const HELLO_BYTES = 40;

const MAGIC = "NRDL";
const SESSION = /^[0-9a-f]{32}$/;

export interface LinkHello {
  readonly protocol: number;
  readonly session: string;
}

export function encodeHello({ protocol, session }: LinkHello): Uint8Array {
  const bytes = new Uint8Array(HELLO_BYTES);
  bytes.set(new TextEncoder().encode(MAGIC));
  new DataView(bytes.buffer).setUint16(4, protocol, true);
  bytes.set(new TextEncoder().encode(session), 8);
  return bytes;
}

/** @param bytes HELLO_BYTES of them @throws ServingError UNAVAILABLE when the peer is no link, or too old for us */
export function decodeHello(bytes: Uint8Array): LinkHello {
  const text = new TextDecoder("latin1").decode(bytes);
  const session = text.slice(8);
  if (!text.startsWith(MAGIC) || !SESSION.test(session))
    throw new ServingError("UNAVAILABLE", "the peer does not speak the link's protocol");
  const protocol = new DataView(bytes.buffer, bytes.byteOffset).getUint16(4, true);
  if (protocol < LINK_PROTOCOL_OLDEST) {
    throw new ServingError(
      "UNAVAILABLE",
      `the peer speaks the link's protocol ${protocol}, ${LINK_PROTOCOL_OLDEST} is the oldest here: update it`,
    );
  }
  return { protocol, session };
}

/** @throws ServingError UNAVAILABLE when the dialer is too old for us */
export function answerHello(dialer: LinkHello): LinkHello {
  return { protocol: Math.min(dialer.protocol, LINK_PROTOCOL), session: dialer.session };
}
