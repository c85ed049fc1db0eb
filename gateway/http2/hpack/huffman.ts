/**
 * HPACK's Huffman code, read a byte at a time: each node of the tree has 256 ways on, and a code that ends within the byte takes all
 * the ways that begin with it. Source: RFC 7541, section 5.2 and appendix B. Pure.
 */
import { Buffer } from "node:buffer";

/** Bits of the code of each byte. The code is canonical: codes follow from their lengths. */
const CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10,
  12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7,
  7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22,
  23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22,
  23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20,
  24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
const CODE_BITS_MIN = 5;
const CODE_BITS_MAX = 30;
const WAYS = 256;

/** A way that no code takes. */
const NOWHERE = 0;
/** Ways of all nodes, 256 each, the root's first: a byte and its code's bits in this node, as `bits * 256 + byte`; or `-node`. */
const WAYS_ON = waysOn();

/**
 * The bytes as latin1 text.
 * @returns undefined for what the code does not have, and for padding that is not the fewest ones
 */
export function huffmanDecoded(bytes: Uint8Array, start: number, end: number): string | undefined {
  const text = Buffer.allocUnsafe(Math.floor(((end - start) * 8) / CODE_BITS_MIN));
  let length = 0;
  let node = 0;
  let pending = 0;
  let pendingBits = 0;
  let sinceSymbol = 0;
  for (let at = start; at < end; at++) {
    pending = ((pending & 0xff) << 8) | (bytes[at] ?? 0);
    pendingBits += 8;
    sinceSymbol += 8;
    while (pendingBits >= 8) {
      const way = WAYS_ON[node * WAYS + ((pending >>> (pendingBits - 8)) & 0xff)] ?? NOWHERE;
      if (way === NOWHERE) return undefined;
      if (way < 0) {
        node = -way;
        pendingBits -= 8;
        continue;
      }
      text[length++] = way & 0xff;
      node = 0;
      pendingBits -= way >>> 8;
      sinceSymbol = pendingBits;
    }
  }
  while (pendingBits > 0) {
    const way = WAYS_ON[node * WAYS + ((pending << (8 - pendingBits)) & 0xff)] ?? NOWHERE;
    if (way <= 0 || way >>> 8 > pendingBits) break;
    text[length++] = way & 0xff;
    node = 0;
    pendingBits -= way >>> 8;
    sinceSymbol = pendingBits;
  }
  const ones = (1 << pendingBits) - 1;
  if (sinceSymbol > 7 || (pending & ones) !== ones) return undefined;
  return text.toString("latin1", 0, length);
}

/** Each byte's code; those of one length follow one another, in the order of their bytes. */
function codes(): readonly (readonly [byte: number, code: number, bits: number])[] {
  const all: [number, number, number][] = [];
  let code = 0;
  for (let bits = CODE_BITS_MIN; bits <= CODE_BITS_MAX; bits++) {
    for (const [byte, its] of CODE_BITS.entries()) if (its === bits) all.push([byte, code++, bits]);
    code *= 2;
  }
  return all;
}

function waysOn(): Int32Array {
  const ways: number[] = new Array<number>(WAYS).fill(NOWHERE);
  for (const [byte, code, bits] of codes()) {
    let node = 0;
    let left = bits;
    for (; left > 8; left -= 8) {
      const way = node * WAYS + ((code >>> (left - 8)) & 0xff);
      if (ways[way] === NOWHERE) {
        ways[way] = -ways.length / WAYS;
        ways.push(...new Array<number>(WAYS).fill(NOWHERE));
      }
      node = -(ways[way] ?? NOWHERE);
    }
    const first = node * WAYS + ((code << (8 - left)) & 0xff);
    ways.fill(left * 256 + byte, first, first + 2 ** (8 - left));
  }
  return Int32Array.from(ways);
}
