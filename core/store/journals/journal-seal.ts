/**
 * Keeps what is in a journal from whoever can read the store. AES-256-GCM with a key for each journal, drawn from the cluster's key by
 * HKDF-SHA256 (RFC 5869) with the generation and the journal's fence, which is 128 random bits; so an entry's number is nonce enough,
 * and no entry passes for another one, or for another journal's. A sealed entry: 4 bytes that name the cluster's key, ciphertext, tag.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto";
import { ServingError } from "../../errors.ts";

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const NAME_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Of one journal. */
export interface JournalName {
  readonly generation: string;
  readonly fence: string;
}

interface ClusterKey {
  readonly name: Uint8Array;
  readonly secret: Uint8Array;
}

export class JournalKeys {
  readonly #keys: readonly [ClusterKey, ...ClusterKey[]];

  /**
   * @param text a key a line, 32 bytes as base64 or hexadecimal digits; the first seals, all of them open
   * @throws ServingError INVALID_ARGUMENT, which does not repeat what is no key
   */
  constructor(text: string) {
    const lines = text.split(/\s+/).filter((line) => line !== "");
    const [first, ...others] = lines.map(keyOf);
    if (first === undefined) throw new ServingError("INVALID_ARGUMENT", "there is no key in it: write one with openssl rand -base64 32");
    this.#keys = [first, ...others];
  }

  /** @param at the entry's number; never used for two contents */
  seal(journal: JournalName, at: number, content: Uint8Array): Uint8Array {
    const [{ name, secret }] = this.#keys;
    const cipher = createCipheriv(CIPHER, journalKey(secret, journal), nonceOf(at), { authTagLength: TAG_BYTES });
    return Buffer.concat([name, cipher.update(content), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws ServingError DATA_LOSS when it was sealed with another key, or is not what was sealed */
  open(journal: JournalName, at: number, sealed: Uint8Array): Uint8Array {
    const named = Buffer.from(sealed.subarray(0, NAME_BYTES));
    const key = this.#keys.find(({ name }) => named.equals(name));
    if (key === undefined)
      throw unreadable("was sealed with a key that this gateway does not have: give all programs the same --journal-key-file");
    if (sealed.byteLength < NAME_BYTES + TAG_BYTES) throw unreadable("is damaged");
    const decipher = createDecipheriv(CIPHER, journalKey(key.secret, journal), nonceOf(at), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      const content = new Uint8Array(decipher.update(sealed.subarray(NAME_BYTES, -TAG_BYTES)));
      decipher.final();
      return content;
    } catch (cause) {
      throw unreadable("is damaged", cause);
    }
  }
}

function keyOf(line: string, index: number): ClusterKey {
  const secret = /^[0-9a-f]{64}$/i.test(line) ? Buffer.from(line, "hex") : Buffer.from(line, "base64");
  if (secret.byteLength !== KEY_BYTES) {
    const message = `key ${index + 1} is none: write ${KEY_BYTES} random bytes as base64 or hexadecimal digits, such as openssl rand -base64 ${KEY_BYTES} prints them`;
    throw new ServingError("INVALID_ARGUMENT", message);
  }
  return { name: createHash("sha256").update("nereid journal key").update(secret).digest().subarray(0, NAME_BYTES), secret };
}

const journalKey = (secret: Uint8Array, { generation, fence }: JournalName): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", secret, fence, `nereid journal ${generation}`, KEY_BYTES));

function nonceOf(at: number): Uint8Array {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(at, NONCE_BYTES - 6, 6);
  return nonce;
}

const unreadable = (what: string, cause?: unknown): ServingError =>
  new ServingError("DATA_LOSS", `an entry of the generation's journal ${what}`, { cause, reason: "generation_lost" });
