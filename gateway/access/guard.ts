/** Decides whether a call may run, and for which tenant: by its route's class and group, its key and its headers, before its body is read. */
import { createHash, timingSafeEqual } from "node:crypto";
import { ServingError } from "../../core/errors.ts";
import type { Budgets, KeyBudget } from "../quotas/budgets.ts";
import type { Access } from "./access.ts";
import { type ApiKeys, keyOf } from "./api-keys.ts";
import type { Restriction, Restrictions } from "./restricted-apis.ts";

/** Where nobody shows a key, everybody is this tenant. */
const PUBLIC_TENANT = "public";

/** Whose call it is. */
export interface Caller {
  readonly tenant: string;
  /** Id of the API key; undefined: none was needed. */
  readonly key?: string;
  /** For inferences; undefined: without limits. To be checked before a body is read. */
  readonly budget: KeyBudget | undefined;
}

export const PUBLIC: Caller = { tenant: PUBLIC_TENANT, budget: undefined };

/** What a guard looks at. */
export interface Asked {
  /** Whether the client is on this machine, as its address says. */
  readonly fromLoopback: boolean;
  /** By lower-case name. */
  header(name: string): string | undefined;
}

export interface GuardOptions {
  /** Asked at every call, so that keys may come and go; undefined: no keys are needed. */
  readonly keys: (() => ApiKeys) | undefined;
  readonly restrictions: Restrictions;
  readonly protocol: "http" | "grpc";
  /** undefined: keys have no limits. */
  readonly budgets?: Budgets | undefined;
}

const BEARER = /^Bearer +(\S+)$/i;

export class Guard {
  readonly #keys: (() => ApiKeys) | undefined;
  readonly #restrictions: Restrictions;
  readonly #protocol: "http" | "grpc";
  readonly #budgets: Budgets | undefined;

  constructor({ keys, restrictions, protocol, budgets }: GuardOptions) {
    this.#keys = keys;
    this.#restrictions = restrictions;
    this.#protocol = protocol;
    this.#budgets = budgets;
  }

  /**
   * @throws ServingError UNAUTHENTICATED without a valid key, PERMISSION_DENIED with one that is not for this, and Triton's texts for restricted groups
   */
  admit(access: Access, asked: Asked): Caller {
    const caller = this.#callerOf(access, asked);
    const restriction = access.group === undefined ? undefined : this.#restrictions.get(access.group);
    if (restriction !== undefined) this.#checkRestriction(restriction, asked);
    return caller;
  }

  #callerOf({ access }: Access, asked: Asked): Caller {
    if (access === "public") return PUBLIC;
    if (this.#keys === undefined) {
      if (access !== "control" || asked.fromLoopback) return PUBLIC;
      throw new ServingError(
        "PERMISSION_DENIED",
        "control calls from other machines need an API key: start the server with --api-keys-file",
      );
    }
    const shown = BEARER.exec(asked.header("authorization") ?? "")?.[1];
    const key = shown === undefined ? undefined : keyOf(this.#keys(), shown);
    if (key === undefined) {
      const what = shown === undefined ? "an API key is needed: send it as 'Authorization: Bearer KEY'" : "the API key is not valid";
      throw new ServingError("UNAUTHENTICATED", what, { reason: "invalid_api_key" });
    }
    if (access === "model-read" || key.access.includes(access)) {
      return { tenant: key.tenant, key: key.id, budget: access === "inference" ? this.#budgets?.of(key) : undefined };
    }
    throw new ServingError("PERMISSION_DENIED", `the API key ${key.id} is not for ${access}`, { reason: "insufficient_permissions" });
  }

  #checkRestriction({ key, value }: Restriction, asked: Asked): void {
    const [what, name, code] =
      this.#protocol === "http"
        ? (["API", key, "PERMISSION_DENIED"] as const)
        : (["protocol", `triton-grpc-protocol-${key}`, "UNAVAILABLE"] as const);
    const given = asked.header(name);
    if (given !== undefined && isSame(given, value)) return;
    throw new ServingError(code, `This ${what} is restricted, expecting header '${name}'`, { reason: "restricted" });
  }
}

/** For servers that stand open: nothing but control from other machines is refused. */
export const OPEN_GUARD = new Guard({ keys: undefined, restrictions: new Map(), protocol: "http" });

/** Takes as long whatever is given. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
