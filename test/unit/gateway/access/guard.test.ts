/** What needs no key where none is set up, and what other machines may not do then. */
import { expect, test } from "vitest";
import { controls, INFERS, isPublic, READS_METRICS, reads } from "../../../../gateway/access/access.ts";
import { OPEN_GUARD } from "../../../../gateway/access/guard.ts";

const from = (fromLoopback: boolean) => ({ fromLoopback, header: () => undefined });

test("without keys clients of this machine may do everything", () => {
  for (const access of [isPublic(), reads("metadata"), controls("logging"), INFERS, READS_METRICS]) {
    expect(OPEN_GUARD.admit(access, from(true))).toEqual({ tenant: "public" });
  }
});

test("without keys other machines may do everything but control", () => {
  for (const access of [isPublic(), reads("metadata"), INFERS, READS_METRICS])
    expect(OPEN_GUARD.admit(access, from(false))).toEqual({ tenant: "public" });
  expect(() => OPEN_GUARD.admit(controls("model-repository"), from(false))).toThrow("control calls from other machines need an API key");
});
