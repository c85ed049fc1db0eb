/**
 * API keys. A key is `nereid_ID_SECRET` with a secret of 256 random bits; what is kept of it is a line `ID TENANT ACCESS DIGEST [LIMITS]`,
 * from which nobody can make the key: the digest is HMAC-SHA256 of the key under its id. A secret that long needs no slow hash.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { ServingError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { type KeyLimits, NO_LIMITS, parseKeyLimits } from "../quotas/key-limits.ts";
import { ACCESS_CLASSES, type AccessClass } from "./access.ts";

export interface ApiKey {
  readonly id: string;
  readonly tenant: string;
  /** Every key may also read what models there are. */
  readonly access: readonly AccessClass[];
  readonly digest: Buffer;
  readonly limits: KeyLimits;
}

export type ApiKeys = ReadonlyMap<string, ApiKey>;

const KEY = /^nereid_([0-9a-f]{12})_[0-9a-f]{64}$/;
const LINE = /^([0-9a-f]{12})\s+([A-Za-z0-9][\w.-]{0,63})\s+([a-z,-]+)\s+([0-9a-f]{64})(?:\s+(\S+))?$/;
const KEYS_MAX = 10_000;
/** What an unknown id is compared with, so that it takes as long as a known one. */
const NOBODY = Buffer.alloc(32);

/** Lines are parted by line feeds or `;`, and those that begin with # say nothing. @throws ServingError INVALID_ARGUMENT naming the line's number and never its text */
export function parseApiKeys(text: string): ApiKeys {
  const keys = new Map<string, ApiKey>();
  text.split(/[\n;]/).forEach((raw, index) => {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) return;
    const key = parseLine(line);
    if (key === undefined || keys.has(key.id)) {
      const what =
        key === undefined
          ? "is not `ID TENANT ACCESS DIGEST`, as `nereid key` prints it, with limits behind it or none"
          : "has an id that was there before";
      throw new ServingError("INVALID_ARGUMENT", `API keys: line ${index + 1} ${what}`);
    }
    keys.set(key.id, key);
  });
  if (keys.size > KEYS_MAX) throw new ServingError("INVALID_ARGUMENT", `API keys: ${keys.size} keys, at most ${KEYS_MAX}`);
  return keys;
}

/** The key that a client shows; undefined when nobody has it. Takes as long for a wrong key as for a right one. */
export function keyOf(keys: ApiKeys, shown: string): ApiKey | undefined {
  const id = KEY.exec(shown)?.[1];
  if (id === undefined) return undefined;
  const known = keys.get(id);
  const isRight = timingSafeEqual(digestOf(id, shown), known?.digest ?? NOBODY);
  return isRight ? known : undefined;
}

export interface NewKey {
  /** For its owner, and nobody else. */
  readonly key: string;
  /** For the file. */
  readonly line: string;
}

export function newApiKey(random: Random, { tenant, access }: Pick<ApiKey, "tenant" | "access">): NewKey {
  const id = random.id().slice(0, 12);
  const key = `nereid_${id}_${random.id()}${random.id()}`;
  return { key, line: `${id} ${tenant} ${access.join(",")} ${digestOf(id, key).toString("hex")}` };
}

function parseLine(line: string): ApiKey | undefined {
  const [, id = "", tenant = "", classes = "", digest = "", said] = LINE.exec(line) ?? [];
  const names = classes.split(",");
  const access = ACCESS_CLASSES.filter((name) => names.includes(name));
  const limits = said === undefined ? NO_LIMITS : parseKeyLimits(said);
  if (id === "" || access.length !== names.length || limits === undefined) return undefined;
  return { id, tenant, access, digest: Buffer.from(digest, "hex"), limits };
}

function digestOf(id: string, key: string): Buffer {
  return createHmac("sha256", id).update(key).digest();
}
