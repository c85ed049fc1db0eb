/** Settings of the journal of resumable generations. Pure. */
import { oneOf, optional, setting, text } from "../../core/settings.ts";

export const JOURNAL_SETTINGS = {
  journal: setting<"off" | "on">({
    kind: oneOf(["off", "on"]),
    fallback: "off",
    help: "write resumable streams down in Redis, encrypted, so that they survive their node and their gateway at once; models may differ (journal)",
  }),
  journalKeyFile: setting({
    kind: optional(text("a file")),
    fallback: undefined,
    fallbackText: "none",
    help: "its key, 32 bytes as base64 or hexadecimal digits, the same for all programs; of several lines the first one writes, all read",
  }),
};
